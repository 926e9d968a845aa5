"""The comparison of Penstock and its peers: the same events, the same table, the same run."""

from collections.abc import Mapping

from benchmarks.drain.contenders import SETTLING, Bulk, CopyOfReadyRows, EventWriter, Penstock, PerRecord
from benchmarks.drain.events import Event, page_views_event
from benchmarks.drain.rounds import Run, Timing, interleave, rounds_for
from benchmarks.drain.server import LEDGERS, Database
from benchmarks.drain.shop import SHOP
from benchmarks.figures import Figure

SPEED_TARGETS: Mapping[tuple[str, int], float] = {
    (PerRecord.name, 1000): 50,
    (Bulk.name, 1000): 1.7,
    (CopyOfReadyRows.name, 1000): 0.45,
    (CopyOfReadyRows.name, 100): 0.6,
}
"""The lowest ratio of Penstock's speed to that of a peer, by peer and records per event."""


class Comparison:
    """A comparison of all contenders on events of one size."""

    def __init__(self, database: Database, size: int) -> None:
        self.database = database
        self.size = size
        self.event: Event = {}

    def run(self, rounds: int) -> dict[str, Timing]:
        """Time every contender.

        Args:
            rounds: the number of rounds at 1,000 records per event; see `rounds_for`.
        """
        contenders: list[EventWriter] = [
            make(self.database.url) for make in (Penstock, PerRecord, Bulk, CopyOfReadyRows)
        ]
        turns = {contender.name: _ComparisonTurn(self, contender) for contender in contenders}
        try:
            return interleave(turns, rounds=rounds_for(self.size, rounds), before_round=self._new_event)
        finally:
            for contender in contenders:
                contender.close()

    def _new_event(self) -> None:
        self.event = page_views_event(self.size)


class _ComparisonTurn:
    def __init__(self, comparison: Comparison, contender: EventWriter) -> None:
        self._comparison = comparison
        self._contender = contender

    @property
    def event(self) -> Event:
        return self._comparison.event

    def prepare(self) -> Run:
        self._comparison.database.empty(*SHOP, *LEDGERS)
        self._contender.prepare(page_views_event(SETTLING))()
        return self._contender.prepare(self._comparison.event)

    def check(self) -> None:
        assert self._comparison.database.count("page_views") == SETTLING + self._comparison.size


def speed_figures(timings: Mapping[str, Timing]) -> list[Figure]:
    """Return the ratio of Penstock's speed to that of each peer."""
    ours = timings[Penstock.name]
    return [
        Figure(
            f"speed: {Penstock.name} / {name} at {theirs.records:,}",
            theirs.median / ours.median,
            at_least=SPEED_TARGETS.get((name, theirs.records)),
        )
        for name, theirs in timings.items()
        if name != Penstock.name
    ]
