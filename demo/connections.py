"""A watch on the number of connections of the service."""

import threading
from types import TracebackType
from typing import Self

import psycopg

_INTERVAL_SECONDS = 0.02


class ConnectionWatch:
    """Counts the service's connections, as Postgres sees them, until it is closed; `most` is the peak."""

    def __init__(self, database_url: str, service: str) -> None:
        """Watch the connections of one service to one database."""
        self.most = 0
        self._url = database_url
        self._service = service
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        query = "SELECT count(*) FROM pg_stat_activity WHERE starts_with(application_name, %s)"
        with psycopg.connect(self._url, autocommit=True) as connection:
            while not self._over.wait(_INTERVAL_SECONDS):
                row = connection.execute(query, [f"{self._service}:"]).fetchone()
                self.most = max(self.most, row[0] if row else 0)
