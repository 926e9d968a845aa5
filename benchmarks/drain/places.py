"""Where the contenders are compared: on this machine as it is, over a longer way, and on one processor."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.drain.network import longer_trips
from penstock.local.postgres import Postgres


@dataclass(frozen=True, slots=True)
class Place:
    """A way from the contenders to Postgres.

    Attributes:
        name: the name in the report.
        trip_ms: what is added to each round trip, in milliseconds.
        one_processor: whether client and server share one processor.
    """

    name: str
    trip_ms: float = 0
    one_processor: bool = False

    @property
    def missing(self) -> str:
        """Why the comparison in this place is not possible on this platform; empty if it is."""
        if self.one_processor and not hasattr(os, "sched_setaffinity"):
            return "this platform cannot keep a process on one processor"
        return ""

    @contextmanager
    def reach(self, postgres: Postgres, url: str) -> Iterator[str]:
        """Set the place up for the block; give the URL of the database there."""
        if self.one_processor:
            with _one_processor(postgres):
                yield url
        elif self.trip_ms:
            with longer_trips(url, self.trip_ms / 1000) as longer:
                yield longer
        else:
            yield url


HERE = Place("this machine")
ONE_PROCESSOR = Place("one processor", one_processor=True)


def places(trips_ms: Sequence[float]) -> list[Place]:
    """Return all places, with one for each time that is added to a round trip."""
    return [HERE, *(Place(f"{trip:g} ms a trip", trip_ms=trip) for trip in trips_ms), ONE_PROCESSOR]


@contextmanager
def _one_processor(postgres: Postgres) -> Iterator[None]:
    """Keep this process and all processes of Postgres on one processor. New processes and threads inherit that."""
    before = os.sched_getaffinity(0)
    _use({min(before)}, postgres)
    try:
        yield
    finally:
        _use(before, postgres)


def _use(processors: set[int], postgres: Postgres) -> None:
    postmaster = psutil.Process(int((postgres.data / "postmaster.pid").read_text().splitlines()[0]))
    server = [postmaster.pid, *(child.pid for child in postmaster.children(recursive=True))]
    threads = [int(thread.name) for thread in Path("/proc/self/task").iterdir()]
    for task in (*server, *threads):
        with suppress(ProcessLookupError):  # Workers of Postgres come and go.
            os.sched_setaffinity(task, processors)
