"""PgBouncer before a server, in the version of Debian, and in another one that the environment names."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg

from penstock.local.processes import LOOPBACK, free_port, wait_until
from tests.support.servers import give_to_nobody, needs, nobodys_folder, unprivileged

NEWER = os.environ.get("PENSTOCK_TEST_PGBOUNCER")
"""The path of a newer PgBouncer than Debian 12's 1.18, such as one built from source; None if there is none."""

PROGRAMS = ["pgbouncer", *([NEWER] if NEWER else [])]
"""Each PgBouncer that the tests of poolers use."""

_START_SECONDS = 30


class PgBouncer:
    """A PgBouncer that can be controlled through its console, killed and started again.

    Attributes:
        url: the URL of the server's database through it.
    """

    def __init__(self, program: Path, folder: Path, url: str, options: dict[str, str]) -> None:
        server, self._port = urlsplit(url), free_port()
        name = server.path.removeprefix("/")
        self.url = f"postgresql://{server.username}@{LOOPBACK}:{self._port}/{name}"
        target = f"host={server.hostname} port={server.port} dbname={name}"
        target += f" user={server.username} password={server.password}"
        self._log = folder / "log"
        file = folder / "pgbouncer.ini"
        lines = [f"{key} = {value}\n" for key, value in (options | {"listen_port": str(self._port)}).items()]
        file.write_text(f"[databases]\n{name} = {target}\n[pgbouncer]\n{''.join(lines)}")
        give_to_nobody(file)
        self._command = [*unprivileged(), str(program), str(file)]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        assert wait_until(self._answers, _START_SECONDS), self._log.read_text()

    def kill(self) -> None:
        """Kill it (SIGKILL)."""
        if self._process:
            self._process.kill()
            self._process.wait()

    def console(self, command: str) -> list[dict[str, Any]]:
        """Give a command to the console, such as `PAUSE` or `SHOW POOLS`; return the rows of its answer."""
        with self._connect() as connection:
            cursor = connection.execute(command.encode())
            return cursor.fetchall() if cursor.description else []

    def _connect(self) -> psycopg.Connection[dict[str, Any]]:
        # The console knows neither parameters nor transactions.
        return psycopg.connect(
            f"postgresql://console@{LOOPBACK}:{self._port}/pgbouncer",
            autocommit=True,
            connect_timeout=5,
            cursor_factory=psycopg.ClientCursor,
            row_factory=psycopg.rows.dict_row,
        )

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url, connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True


@contextmanager
def run_pgbouncer(
    url: str, *, program: str = "pgbouncer", pool_size: int = 2, **settings: str
) -> Iterator[PgBouncer]:
    """Run a PgBouncer in transaction mode before a server.

    Args:
        url: the server's database.
        program: one of `PROGRAMS`.
        pool_size: how many connections PgBouncer has to the server.
        settings: settings of the section [pgbouncer], by name.
    """
    options = {
        "listen_addr": LOOPBACK,
        "unix_socket_dir": "",
        "auth_type": "any",
        "admin_users": "console",
        "pool_mode": "transaction",
        "default_pool_size": str(pool_size),
        "max_client_conn": "200",
        **settings,
    }
    with nobodys_folder() as folder:
        bouncer = PgBouncer(needs(program, "pgbouncer"), folder, url, options)
        try:
            bouncer.start()
            yield bouncer
        finally:
            bouncer.kill()


@contextmanager
def pgbouncer(url: str, *, pool_size: int = 2, **settings: str) -> Iterator[str]:
    """Run Debian's PgBouncer as `run_pgbouncer` does; give the URL of the same database through it."""
    with run_pgbouncer(url, pool_size=pool_size, **settings) as bouncer:
        yield bouncer.url
