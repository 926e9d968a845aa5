"""A real PgBouncer in transaction mode, before the server of the storm."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psycopg
from sqlalchemy import make_url

from benchmarks.storm.model import ROLE, Storm
from penstock.local.errors import ToolError
from penstock.local.postgres import Postgres
from penstock.local.processes import LOOPBACK, free_port, wait_until

POOL_SIZE: Final = 20
"""Below what Postgres grants, so that other clients have a place too."""

_START_SECONDS: Final = 10.0
_UNPRIVILEGED: Final = "nobody"


@contextmanager
def pgbouncer(postgres: Postgres, url: str, storm: Storm) -> Iterator[str]:
    """Run PgBouncer; give the URL of the storm's database through it.

    Args:
        postgres: the server.
        url: the URL of the storm's database.
        storm: says how many clients there are.

    Raises:
        ToolError: PgBouncer is not installed, or does not start.
    """
    through = make_url(url).set(port=free_port())
    folder = Path(tempfile.mkdtemp(prefix="penstock-bench-"))
    file = _configure(folder, postgres, through.port or 0, storm)
    log = (folder / "log").open("wb")
    command = [_program(), *(("-u", _UNPRIVILEGED) if os.geteuid() == 0 else ()), str(file)]
    with log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            address = through.render_as_string(hide_password=False)
            if not wait_until(lambda: _answers(address), _START_SECONDS):
                raise ToolError(f"pgbouncer does not start:\n{(folder / 'log').read_text()}")
            yield address
        finally:
            process.terminate()
            process.wait()
            shutil.rmtree(folder)


def pgbouncer_version() -> str:
    """Return the version, such as `1.18.0`.

    Raises:
        ToolError: PgBouncer is not installed.
    """
    done = subprocess.run([_program(), "--version"], capture_output=True, text=True, check=True)
    return done.stdout.split()[1]


def _program() -> str:
    # Debian installs it where an ordinary user does not look.
    program = shutil.which("pgbouncer") or shutil.which("/usr/sbin/pgbouncer")
    if program is None:
        raise ToolError("pgbouncer is not installed: apt-get install pgbouncer, or name the others with --only")
    return program


def _configure(folder: Path, postgres: Postgres, port: int, storm: Storm) -> Path:
    """Write the configuration; return its file."""
    users, file = folder / "users.txt", folder / "pgbouncer.ini"
    users.write_text(f'"{ROLE}" "{_secret(postgres)}"\n')
    settings = {
        "listen_addr": LOOPBACK,
        "listen_port": port,
        "unix_socket_dir": "",
        # The file has the role's SCRAM secret. Of a password PgBouncer would compute one for each client.
        "auth_type": "scram-sha-256",
        "auth_file": users,
        "pool_mode": "transaction",
        "default_pool_size": POOL_SIZE,
        "max_client_conn": storm.instances + 100,
        # All clients come at once. With the default of 128, the kernel would drop some of them for a second.
        "listen_backlog": 4096,
        # The default of 15 s would prolong each restart.
        "server_login_retry": 1,
        "log_connections": 0,
        "log_disconnections": 0,
    }
    lines = [f"{key} = {value}\n" for key, value in settings.items()]
    database = f"{ROLE} = host={LOOPBACK} port={postgres.port} dbname={ROLE}\n"
    file.write_text(f"[databases]\n{database}[pgbouncer]\n{''.join(lines)}")
    if os.geteuid() == 0:
        for path in (folder, users, file):
            shutil.chown(path, _UNPRIVILEGED)
    return file


def _secret(postgres: Postgres) -> str:
    with psycopg.connect(postgres.url()) as connection:
        row = connection.execute("SELECT rolpassword FROM pg_authid WHERE rolname = %s", [ROLE]).fetchone()
    assert row
    return str(row[0])


def _answers(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=2, prepare_threshold=None).close()
    except psycopg.OperationalError:
        return False
    return True
