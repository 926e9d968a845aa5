"""Penstock alone: batches that are not clean, tables that are not empty, set against its own clean batch.

`SCENARIOS` is the registry. A scenario of another write mode is one more entry: its own `bind` (its table comes
with the shop's migrations), its `tables`, and its `events`, whose keys are a tenth as many as their records:

    Scenario("increment, 10 % distinct keys", events, events, at_most=1, bind=bind_stock, tables=("stock",))
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from benchmarks.contenders import Penstock, settle
from benchmarks.events import Event, page_views_event
from benchmarks.figures import Figure
from benchmarks.rounds import Run, Timing, interleave
from benchmarks.server import Database
from benchmarks.shop import bind_page_views
from penstock.consumer import Drain


@dataclass(frozen=True, slots=True)
class Scenario:
    """A batch that Penstock drains under some circumstances.

    Attributes:
        name: what is special about it.
        events: makes an event of so many records, of fresh ids.
        settling: makes clean events of the same kinds, for what is written before the clock starts.
        at_most: how many times as long as the clean batch it may take; None for the baseline itself.
        bind: says where its kinds land.
        tables: what is emptied before each round, beside the ledger.
        dead: how many records end on the dead-letter queue; all others land.
        full: whether the ledger is the one with millions of rows, which is not emptied.
    """

    name: str
    events: Callable[[int], Event] = page_views_event
    settling: Callable[[int], Event] = page_views_event
    at_most: float | None = None
    bind: Callable[[Drain], None] = bind_page_views
    tables: Sequence[str] = ("page_views",)
    dead: int = 0
    full: bool = False


BASELINE = Scenario("clean")

SCENARIOS = (
    BASELINE,
    Scenario("one poison record", events=partial(page_views_event, poison=1), at_most=3, dead=1),
    Scenario("ten poison records", events=partial(page_views_event, poison=10), at_most=8, dead=10),
    Scenario("full ledger, ids by time", at_most=1.3, full=True),
    Scenario("full ledger, derived ids", events=partial(page_views_event, derived=True), at_most=1.3, full=True),
)


def run_scenarios(
    scenarios: Sequence[Scenario], empty: Database, full: Database, *, size: int, rounds: int
) -> dict[str, Timing]:
    """Time the scenarios on events of `size` records.

    Args:
        scenarios: which.
        empty: a database whose ledger is emptied before each round.
        full: a database whose ledger is full.
        size: records per event.
        rounds: rounds that are counted.
    """
    turns = {scenario.name: _Turn(scenario, full if scenario.full else empty, size) for scenario in scenarios}
    try:
        return interleave(turns, records=size, rounds=rounds)
    finally:
        for turn in turns.values():
            turn.contender.close()


class _Turn:
    def __init__(self, scenario: Scenario, database: Database, size: int) -> None:
        self.contender = Penstock(database.url, scenario.bind)
        self._scenario, self._database, self._size = scenario, database, size

    def prepare(self) -> Run:
        ledger = () if self._scenario.full else ("penstock.ledger",)
        self._database.empty(*self._scenario.tables, *ledger)
        settle(self.contender, self._scenario.settling)
        return self.contender.prepare(self._scenario.events(self._size))

    def check(self) -> None:
        assert self.contender.take_dead_letters() == self._scenario.dead


def cost_figures(timings: Mapping[str, Timing]) -> list[Figure]:
    """Say how many times as long as the clean batch each scenario takes."""
    limits = {scenario.name: scenario.at_most for scenario in SCENARIOS}
    clean = timings[BASELINE.name]
    return [
        Figure(f"time: {name} / clean at {timing.records:,}", timing.median / clean.median, at_most=limits[name])
        for name, timing in timings.items()
        if name != BASELINE.name
    ]
