"""The race: Penstock and its peers on the same events, in the same table, in the same run."""

from collections.abc import Mapping

from benchmarks.drain.contenders import SETTLING, Bulk, Contender, CopyOfReadyRows, Penstock, PerRecord
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
"""How many times as fast as a peer Penstock is to be, by peer and size."""


class Race:
    """A race of events of one size."""

    def __init__(self, database: Database, size: int) -> None:
        self.database = database
        self.size = size
        self.event: Event = {}

    def run(self, rounds: int) -> dict[str, Timing]:
        """Time every contender; `rounds` is how many 1,000 records are worth."""
        contenders: list[Contender] = [
            make(self.database.url) for make in (Penstock, PerRecord, Bulk, CopyOfReadyRows)
        ]
        turns = {contender.name: _Turn(self, contender) for contender in contenders}
        try:
            return interleave(turns, rounds=rounds_for(self.size, rounds), before_round=self._new_event)
        finally:
            for contender in contenders:
                contender.close()

    def _new_event(self) -> None:
        self.event = page_views_event(self.size)


class _Turn:
    def __init__(self, race: Race, contender: Contender) -> None:
        self._race = race
        self._contender = contender

    @property
    def event(self) -> Event:
        return self._race.event

    def prepare(self) -> Run:
        self._race.database.empty(*SHOP, *LEDGERS)
        self._contender.prepare(page_views_event(SETTLING))()
        return self._contender.prepare(self._race.event)

    def check(self) -> None:
        assert self._race.database.count("page_views") == SETTLING + self._race.size


def speed_figures(timings: Mapping[str, Timing]) -> list[Figure]:
    """Say how many times as fast as each peer Penstock is."""
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
