"""The Postgres server of the storm: it grants 30 connections."""

import random
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psycopg
from psycopg import sql
from sqlalchemy import make_url

from benchmarks.storm.model import ROLE
from benchmarks.storm.table import metadata
from penstock.database import make_engine
from penstock.database.migrate import upgrade
from penstock.local.cluster import program
from penstock.local.postgres import Postgres
from penstock.local.processes import port_is_free

MAX_CONNECTIONS: Final = 30
RESERVED: Final = 3
GRANTED: Final = MAX_CONNECTIONS - RESERVED
"""The connections that Postgres grants to a role that is no superuser."""

# Below the ports that outgoing connections get on Linux: none of them takes the port while the server is down.
_PORTS: Final = range(20_000, 32_000)


@contextmanager
def server() -> Iterator[tuple[Postgres, str]]:
    """Run a new server with the table of the storm; give it with the URL of its database, as an ordinary role."""
    folder = Path(tempfile.mkdtemp(prefix="penstock-bench-"))
    settings = {"max_connections": str(MAX_CONNECTIONS), "superuser_reserved_connections": str(RESERVED)}
    (folder / "port").write_text(str(_port()))
    postgres = Postgres(folder, settings=settings)
    try:
        postgres.start()
        yield postgres, _create_database(postgres)
    finally:
        postgres.stop()
        shutil.rmtree(folder, ignore_errors=True)


def postgres_version() -> str:
    """Return the version of the embedded Postgres, such as `18.4`."""
    done = subprocess.run([program("postgres"), "--version"], capture_output=True, text=True, check=True)
    return done.stdout.split()[-1]


def _port() -> int:
    return next(port for port in random.sample(_PORTS, len(_PORTS)) if port_is_free(port))


def _create_database(postgres: Postgres) -> str:
    """Create the role, its database and its tables; return the URL."""
    password = secrets.token_hex(16)
    role = sql.Identifier(ROLE)
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        # As servers do by default. The embedded one has a single iteration, which makes connections cheap.
        connection.execute("SET scram_iterations = 4096")
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(role, password))
        connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(role, role))
    url = make_url(postgres.url(ROLE)).set(username=ROLE, password=password)
    text = url.render_as_string(hide_password=False)
    upgrade(text)
    engine = make_engine(text)
    metadata.create_all(engine)
    engine.dispose()
    return text
