"""The comparison of Penstock and its peers: the same events, the same table, the same run."""

from collections.abc import Mapping, Sequence

from benchmarks.drain.contenders import (
    CONTENDERS,
    SETTLING,
    Bulk,
    CopyOfReadyRows,
    EventWriter,
    Penstock,
    PerRecord,
)
from benchmarks.drain.events import Event, page_views_event
from benchmarks.drain.places import HERE, Place
from benchmarks.drain.rounds import Run, Timing, events_for, interleave, ratio, rounds_for
from benchmarks.drain.server import LEDGERS, Database
from benchmarks.drain.shop import SHOP
from benchmarks.figures import Figure

SPEED_TARGETS: Mapping[tuple[str, int], float] = {
    (PerRecord.name, 1000): 80,
    (Bulk.name, 100): 2,
    (Bulk.name, 1000): 2,
    (CopyOfReadyRows.name, 1): 1,
    (CopyOfReadyRows.name, 10): 1,
    (CopyOfReadyRows.name, 100): 0.7,
    (CopyOfReadyRows.name, 1000): 0.5,
}
"""The lowest ratio of Penstock's speed to that of a peer, by peer and records per event, with nothing added."""

_MOST_TRANSACTIONS = 1000
"""A peer with a transaction per record gets no larger events: its time only grows with them."""
_LONGEST_TRIPS_MS = 1000
"""Nor does it get events that take seconds longer because of what is added to each trip."""


class Comparison:
    """A comparison of all contenders on events of one size."""

    def __init__(self, database: Database, size: int, place: Place) -> None:
        self.database = database
        self.size = size
        self.events: list[Event] = []
        self._place = place

    def run(self, url: str, rounds: int) -> dict[str, Timing]:
        """Time every contender.

        Args:
            url: the URL of the database, as contenders reach it from their place.
            rounds: the number of rounds at 1,000 records per event; see `rounds_for`.
        """
        contenders = [make(url) for make in CONTENDERS]
        turns = {
            contender.name: _ComparisonTurn(self, contender) for contender in contenders if self._fits(contender)
        }
        try:
            return interleave(turns, rounds=rounds_for(self.size, rounds), before_round=self._new_events)
        finally:
            for contender in contenders:
                contender.close()

    def _fits(self, contender: EventWriter) -> bool:
        if contender.name != PerRecord.name:
            return True
        return self.size <= _MOST_TRANSACTIONS and self.size * self._place.trip_ms <= _LONGEST_TRIPS_MS

    def _new_events(self) -> None:
        self.events = [page_views_event(self.size) for _ in range(events_for(self.size))]


class _ComparisonTurn:
    def __init__(self, comparison: Comparison, contender: EventWriter) -> None:
        self._comparison = comparison
        self._contender = contender

    @property
    def event(self) -> Event:
        return self._comparison.events[-1]

    def prepare(self) -> Sequence[Run]:
        self._comparison.database.empty(*SHOP, *LEDGERS)
        self._contender.prepare(page_views_event(SETTLING))()
        return [self._contender.prepare(event) for event in self._comparison.events]

    def check(self) -> None:
        written = len(self._comparison.events) * self._comparison.size
        assert self._comparison.database.count("page_views") == SETTLING + written


def speed_figures(timings: Mapping[str, Timing], place: Place) -> list[Figure]:
    """Return the ratio of Penstock's speed to that of each peer. Only those with nothing added have targets."""
    ours = timings[Penstock.name]
    where = "" if place == HERE else f", {place.name}"
    return [
        Figure(
            f"speed: {Penstock.name} / {name} at {theirs.records:,}{where}",
            ratio(theirs, ours),
            at_least=SPEED_TARGETS.get((name, theirs.records)) if place == HERE else None,
        )
        for name, theirs in timings.items()
        if name != Penstock.name
    ]
