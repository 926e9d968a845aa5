"""A primary server, and a standby that replays what the primary writes."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import psycopg

from penstock.local.cluster import run_program
from penstock.local.postgres import Postgres
from penstock.local.processes import wait_until
from penstock.testing.database import FAST
from tests.support.folders import server_folder

# What is committed is sent to the standby at once.
_PRIMARY = {"wal_level": "replica", "max_wal_senders": "4", "synchronous_commit": "on"}
# A query on the standby is cancelled at once if it is in the way of what is replayed.
_STANDBY = {"hot_standby": "on", "max_standby_streaming_delay": "0"}


@dataclass
class Replication:
    """A primary and its standby.

    Attributes:
        primary: the URL of the primary's database.
        standby: the URL of the same database on the standby.
    """

    primary: str
    standby: str

    def pause(self) -> None:
        """Let the standby fall behind from now on, after it has caught up."""
        self.catch_up()
        self._ask(self.standby, "SELECT pg_wal_replay_pause()::text")
        assert wait_until(
            lambda: self._ask(self.standby, "SELECT pg_get_wal_replay_pause_state()") == "paused", 10
        )

    def resume(self) -> None:
        # What is replayed then may cancel this very query.
        with suppress(psycopg.errors.SerializationFailure):
            self._ask(self.standby, "SELECT pg_wal_replay_resume()::text")

    def catch_up(self) -> None:
        """Replay everything that the primary has written."""
        self.resume()
        end = self._ask(self.primary, "SELECT pg_current_wal_flush_lsn()::text")
        assert wait_until(lambda: self._has_replayed(end), 20)

    def _has_replayed(self, end: str) -> bool:
        try:
            return bool(self._ask(self.standby, f"SELECT pg_last_wal_replay_lsn() >= '{end}'"))
        except psycopg.errors.SerializationFailure:
            # This query was in the way, too.
            return False

    def _ask(self, url: str, query: str) -> Any:
        with psycopg.connect(url, autocommit=True) as connection:
            row = connection.execute(query.encode()).fetchone()
            return row and row[0]


@contextmanager
def replication() -> Iterator[Replication]:
    """Run a primary and its standby."""
    folders = server_folder(), server_folder()
    primary = Postgres(folders[0], settings=FAST | _PRIMARY)
    standby = Postgres(folders[1], settings=FAST | _PRIMARY | _STANDBY)
    try:
        primary.start()
        shutil.copy(folders[0] / "password", folders[1] / "password")
        data = str(folders[1] / "data")
        copied = run_program(
            *("pg_basebackup", "-D", data, "-R", "-d", primary.url(), "-c", "fast", "--no-sync"), folder=folders[1]
        )
        assert copied, (folders[1] / "program.log").read_text()
        standby.start()
        yield Replication(primary.url(), standby.url())
    finally:
        for server, folder in ((standby, folders[1]), (primary, folders[0])):
            server.stop()
            shutil.rmtree(folder, ignore_errors=True)
