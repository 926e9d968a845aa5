"""How many connections Postgres has, sampled while the storm lasts."""

import threading
import time
from types import TracebackType
from typing import Final, NamedTuple, Self

import psycopg

INTERVAL_SECONDS: Final = 0.05

# With those that are still being authenticated: they take a place too.
_COUNT: Final = """
SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
"""


class Sample(NamedTuple):
    """The connections at a moment.

    Attributes:
        at: the time (monotonic clock).
        connections: how many there are, apart from the sampler's own.
    """

    at: float
    connections: int


class Sampler:
    """Counts the connections until it is closed, as a superuser, for whom places are reserved.

    After a restart it connects again.
    """

    def __init__(self, url: str) -> None:
        """Sample the server of this URL."""
        self.samples: list[Sample] = []
        self._url = url
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._closed.is_set():
            try:
                self._sample()
            except psycopg.OperationalError:
                self._closed.wait(INTERVAL_SECONDS)

    def _sample(self) -> None:
        with psycopg.connect(self._url, autocommit=True) as connection:
            while not self._closed.wait(INTERVAL_SECONDS):
                row = connection.execute(_COUNT).fetchone()
                assert row
                self.samples.append(Sample(time.monotonic(), row[0]))
