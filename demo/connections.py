"""A monitor of the number of connections of the service."""

import threading
from types import TracebackType
from typing import Self

import psycopg

_INTERVAL_SECONDS = 0.02


class ConnectionMonitor:
    """Counts the service's connections in `pg_stat_activity` until it is closed; `most` is the highest count."""

    def __init__(self, database_url: str, service: str) -> None:
        """Monitor the connections of one service to one database."""
        self.most = 0
        self._url = database_url
        self._service = service
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._monitor, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed.set()
        self._thread.join()

    def _monitor(self) -> None:
        query = "SELECT count(*) FROM pg_stat_activity WHERE starts_with(application_name, %s)"
        with psycopg.connect(self._url, autocommit=True) as connection:
            while not self._closed.wait(_INTERVAL_SECONDS):
                row = connection.execute(query, [f"{self._service}:"]).fetchone()
                self.most = max(self.most, row[0] if row else 0)
