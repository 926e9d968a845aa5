"""An embedded Postgres: a whole server in a folder, for development, demos and tests."""

import signal
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

import psutil

from penstock.local.cluster import USER, create_data, run_program, write_settings
from penstock.local.errors import StartError
from penstock.local.locks import locked
from penstock.local.processes import (
    LOOPBACK,
    alive,
    family,
    free_port,
    kept_port,
    running_where,
    send,
    wait_gone,
)

START_SECONDS: Final = 30
START_ATTEMPTS: Final = 3
LOG_TAIL_CHARACTERS: Final = 2000
DEFAULTS: Final = {
    "listen_addresses": LOOPBACK,
    # No socket: its path may be 107 bytes long at most, and folders of tests are deep.
    "unix_socket_directories": "",
    "max_connections": "100",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class Postgres:
    """A Postgres server of its own, listening on loopback only.

    The server outlives the Python process that started it, until `stop` is called by this or another process.

    Args:
        folder: Where its data, its password and its log are kept; made if missing. One server per folder.
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
        """Whether the server runs, also while it is frozen."""
        return self._postmaster() is not None

    @property
    def port(self) -> int:
        """The TCP port: that of the last start, kept for the next one unless somebody else has it by then."""
        return int((self.folder / "port").read_text())

    def url(self, database: str = "postgres") -> str:
        """Return the address of a database of this server, as libpq and psycopg take it.

        Args:
            database: The database's name. It need not exist yet.

        Returns:
            A `postgresql://` URL with the superuser's name and password.

        Raises:
            StartError: The server has never been started.
        """
        try:
            password = (self.folder / "password").read_text()
            return f"postgresql://{USER}:{password}@{LOOPBACK}:{self.port}/{database}"
        except OSError:
            message = f"Postgres in {self.folder} has never been started"
            raise StartError(message) from None

    def start(self) -> None:
        """Start the server unless it runs already, making its data first if there are none.

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
        """Stop the server, closing its connections; nothing happens if it does not run."""
        with locked(self.folder / "lock"):
            if postmaster := self._postmaster():
                self.thaw()
                # SIGINT is the "fast" shutdown: https://www.postgresql.org/docs/current/server-shutdown.html
                send(signal.SIGINT, [postmaster])
                wait_gone([postmaster])
            self._clear_leftovers()

    def kill(self) -> None:
        """Kill the server and all its children at once, as a crash of the machine would."""
        with locked(self.folder / "lock"):
            self._clear_leftovers()

    def freeze(self) -> None:
        """Stop the clock of all the server's processes: connections stay open and nothing answers."""
        # The postmaster comes first, so that it makes no more children; then again for one made meanwhile.
        for _ in range(2):
            send(signal.SIGSTOP, self._processes())

    def thaw(self) -> None:
        """Let a frozen server go on; nothing happens to one that runs."""
        send(signal.SIGCONT, self._processes())

    def _answers(self) -> bool:
        self.thaw()
        return run_program("pg_isready", "-h", LOOPBACK, "-p", str(self.port), folder=self.folder)

    def _postmaster(self) -> psutil.Process | None:
        """Return the server's main process; the id in its file may be stale, and somebody else's by now."""
        with suppress(OSError, ValueError, IndexError, psutil.Error):
            process = psutil.Process(int((self.data / "postmaster.pid").read_text().splitlines()[0]))
            if alive(process) and self._ours(process):
                return process
        return None

    def _ours(self, process: psutil.Process) -> bool:
        return bool(process.name() == "postgres" and process.cwd() == str(self.data))

    def _processes(self) -> list[psutil.Process]:
        """Return all the server's processes, the main one first if it is there."""
        postmaster = self._postmaster()
        return family(postmaster) if postmaster else running_where(self._ours)

    def _clear_leftovers(self) -> None:
        """Kill what still works in the data folder: children can outlive a postmaster that was killed."""
        left = self._processes()
        send(signal.SIGKILL, left)
        if not wait_gone(left):
            message = f"processes of the Postgres in {self.folder} cannot be killed: {[p.pid for p in left]}"
            raise StartError(message)
        # Postgres believes any process with the id in this file to be itself, even one that is not reaped yet.
        (self.data / "postmaster.pid").unlink(missing_ok=True)

    def _launch(self) -> None:
        """Start the server, on another port if somebody takes ours in the moment before it listens."""
        port = kept_port(self.folder / "port")
        for _ in range(START_ATTEMPTS):
            write_settings(self.data, {**self._settings, "port": str(port)})
            self.log.unlink(missing_ok=True)
            if self._run_server():
                return
            self._clear_leftovers()
            port = free_port()
            (self.folder / "port").write_text(str(port))
        message = f"Postgres did not start: {self._last_words()}"
        raise StartError(message)

    def _run_server(self) -> bool:
        arguments = ("start", "--wait", f"--timeout={START_SECONDS}", "-D", str(self.data), "-l", str(self.log))
        return run_program("pg_ctl", *arguments, folder=self.folder)

    def _last_words(self) -> str:
        with suppress(OSError):
            return self.log.read_text()[-LOG_TAIL_CHARACTERS:]
        return (self.folder / "program.log").read_text()[-LOG_TAIL_CHARACTERS:]
