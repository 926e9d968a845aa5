"""An embedded Postgres server in a folder, for development, the demo and tests."""

import signal
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

import psutil

from penstock.local.cluster import USER, create_data, run_program, write_settings
from penstock.local.errors import StartError
from penstock.local.processes import (
    LOOPBACK,
    find_processes,
    free_port,
    is_alive,
    process_tree,
    saved_port,
    send_signal,
    wait_for_exit,
)
from penstock.locks import locked

START_SECONDS: Final = 30
START_ATTEMPTS: Final = 3
LOG_TAIL_CHARACTERS: Final = 2000
DEFAULTS: Final = {
    "listen_addresses": LOOPBACK,
    # No unix socket: its path can be at most 107 bytes long, and folders of tests are deep.
    "unix_socket_directories": "",
    "max_connections": "100",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class Postgres:
    """A Postgres server that listens on loopback only.

    The server keeps running after the Python process that started it, until this or another process calls `stop`.

    Args:
        folder: The folder of its data, its password and its log, created if missing. Each folder has one server.
        settings: Server settings by name, as in postgresql.conf, e.g. `{"max_connections": "20"}`. They are read
            when the server starts.
    """

    def __init__(self, folder: Path, *, settings: Mapping[str, str] | None = None) -> None:
        self.folder = folder.resolve()
        self.data = self.folder / "data"
        self.log = self.folder / "postgres.log"
        self._settings = {**DEFAULTS, **(settings or {})}

    @property
    def running(self) -> bool:
        """Whether the server is running; True also while it is frozen."""
        return self._postmaster() is not None

    @property
    def port(self) -> int:
        """The TCP port of the last start. The next start uses it again if it is still free."""
        return int((self.folder / "port").read_text())

    def url(self, database: str = "postgres") -> str:
        """Return the URL of a database of this server, as libpq and psycopg accept it.

        Args:
            database: The database's name. The database does not have to exist.

        Returns:
            A `postgresql://` URL with the superuser's name and password.

        Raises:
            StartError: The server has never been started.
        """
        try:
            password = (self.folder / "password").read_text()
            return f"postgresql://{USER}:{password}@{LOOPBACK}:{self.port}/{database}"
        except OSError:
            message = f"Postgres in {self.folder} has never been started: call start() first"
            raise StartError(message) from None

    def start(self) -> None:
        """Start the server unless it is running; create its data folder first if it is missing.

        Raises:
            StartError: The server did not become ready; the message ends with its log.
            ToolError: The binaries are not installed.
        """
        with locked(self.folder / "lock"):
            if self.running and self._answers():
                return
            self._clear_leftovers()
            create_data(self.data, self.folder / "password")
            self._launch()

    def stop(self) -> None:
        """Stop the server and close its connections; do nothing if it is not running."""
        with locked(self.folder / "lock"):
            if postmaster := self._postmaster():
                self.thaw()
                # SIGINT is the "fast" shutdown: https://www.postgresql.org/docs/current/server-shutdown.html
                send_signal(signal.SIGINT, [postmaster])
                wait_for_exit([postmaster])
            self._clear_leftovers()

    def kill(self) -> None:
        """Kill the server and all its children at once, as a crash of the machine does."""
        with locked(self.folder / "lock"):
            self._clear_leftovers()

    def freeze(self) -> None:
        """Suspend all processes of the server: connections stay open, and requests get no answer."""
        # The postmaster is the first, so that it starts no more children. The second round suspends a child that
        # was started during the first one.
        for _ in range(2):
            send_signal(signal.SIGSTOP, self._processes())

    def thaw(self) -> None:
        """Resume a frozen server; do nothing if it is not frozen."""
        send_signal(signal.SIGCONT, self._processes())

    def _answers(self) -> bool:
        self.thaw()
        return run_program("pg_isready", "-h", LOOPBACK, "-p", str(self.port), folder=self.folder)

    def _postmaster(self) -> psutil.Process | None:
        """Return the postmaster. The id in its file can be stale, and belong to another process now."""
        with suppress(OSError, ValueError, IndexError, psutil.Error):
            process = psutil.Process(int((self.data / "postmaster.pid").read_text().splitlines()[0]))
            if is_alive(process) and self._is_ours(process):
                return process
        return None

    def _is_ours(self, process: psutil.Process) -> bool:
        return bool(process.name() == "postgres" and process.cwd() == str(self.data))

    def _processes(self) -> list[psutil.Process]:
        """Return all processes of the server, the postmaster first if it is running."""
        postmaster = self._postmaster()
        return process_tree(postmaster) if postmaster else find_processes(self._is_ours)

    def _clear_leftovers(self) -> None:
        """Kill the processes that still use the data folder: children can outlive a killed postmaster."""
        left = self._processes()
        send_signal(signal.SIGKILL, left)
        if not wait_for_exit(left):
            ids = ", ".join(str(process.pid) for process in left)
            message = f"the Postgres in {self.folder} does not stop: kill its processes {ids}, and try again"
            raise StartError(message)
        # Postgres treats any process with the id in this file as a running server, even a zombie.
        (self.data / "postmaster.pid").unlink(missing_ok=True)

    def _launch(self) -> None:
        """Start the server; use another port if a program takes the port before it listens."""
        port = saved_port(self.folder / "port")
        for _ in range(START_ATTEMPTS):
            write_settings(self.data, {**self._settings, "port": str(port)})
            self.log.unlink(missing_ok=True)
            if self._run_server():
                return
            self._clear_leftovers()
            port = free_port()
            (self.folder / "port").write_text(str(port))
        message = f"Postgres did not start. The end of its log:\n{self._log_tail()}"
        raise StartError(message)

    def _run_server(self) -> bool:
        arguments = ("start", "--wait", f"--timeout={START_SECONDS}", "-D", str(self.data), "-l", str(self.log))
        return run_program("pg_ctl", *arguments, folder=self.folder)

    def _log_tail(self) -> str:
        with suppress(OSError):
            return self.log.read_text()[-LOG_TAIL_CHARACTERS:]
        return (self.folder / "program.log").read_text()[-LOG_TAIL_CHARACTERS:]
