"""Penstock alone: batches that are not clean, tables that are not empty, set against its own clean batch.

`SCENARIOS` is the registry. The clean batch is of page views, which are appended; what is written by key has
bodies of other lengths than those, so that its figure comes with the ratio of the lengths.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from benchmarks.drain.contenders import SETTLING, Penstock
from benchmarks.drain.events import (
    Event,
    keyed_event,
    order_placed,
    order_status_changed,
    page_views_event,
    stock_adjusted,
)
from benchmarks.drain.rounds import Run, Timing, interleave
from benchmarks.drain.server import LEDGERS, Database
from benchmarks.drain.shop import SHOP, due, held
from benchmarks.figures import Figure
from penstock import WriteIntent


def _little(_event: Event) -> Event:
    return page_views_event(SETTLING)


@dataclass(frozen=True, slots=True)
class Scenario:
    """A batch that Penstock drains under some circumstances.

    Attributes:
        name: what is special about it.
        events: makes an event of so many records, of fresh ids.
        before: makes the event that is drained before that one, outside of the clock.
        at_most: how many times as long as the clean batch it may take, if there is a limit.
        against: what its figure calls the clean batch.
        dead: how many records end on the dead-letter queue; all others land.
        full: whether the ledger is the one with millions of rows, which is not emptied.
    """

    name: str
    events: Callable[[int], Event] = page_views_event
    before: Callable[[Event], Event] = _little
    at_most: float | None = None
    against: str = "clean"
    dead: int = 0
    full: bool = False


_APPEND = "append"


def _keyed(name: str, *kinds: Callable[[int], WriteIntent], at_most: float | None = None) -> Scenario:
    """Write by key: a tenth as many keys as records, half of them in the table already."""

    def before(event: Event) -> Event:
        return keyed_event(kinds, len(event["Records"]) // 20, per_key=1)

    return Scenario(name, partial(keyed_event, kinds), before, at_most, _APPEND)


def _again(event: Event, *, every: int = 1) -> Event:
    """Deliver one of so many records ahead: when the event comes, the ledger knows them."""
    return {"Records": event["Records"][::every]}


BASELINE = Scenario("clean")

SCENARIOS = (
    BASELINE,
    _keyed("upsert", order_placed, at_most=1),
    _keyed("upsert of two kinds", order_placed, order_status_changed),
    _keyed("increment", stock_adjusted, at_most=1),
    Scenario("one record in a hundred delivered before", before=partial(_again, every=100)),
    Scenario("every record delivered before", before=_again),
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
        return interleave(turns, rounds=rounds)
    finally:
        for turn in turns.values():
            turn.contender.close()


class _Turn:
    def __init__(self, scenario: Scenario, database: Database, size: int) -> None:
        self.contender = Penstock(database.url)
        self.event: Event = {}
        self._before: Event = {}
        self._scenario, self._database, self._size = scenario, database, size

    def prepare(self) -> Run:
        self._database.empty(*SHOP, *(() if self._scenario.full else LEDGERS))
        self.event = self._scenario.events(self._size)
        self._before = self._scenario.before(self.event)
        self.contender.prepare(self._before)()
        return self.contender.prepare(self.event)

    def check(self) -> None:
        assert self.contender.take_dead_letters() == self._scenario.dead
        assert held(self._database.connection) == due([self._before, self.event])


def cost_figures(timings: Mapping[str, Timing]) -> list[Figure]:
    """Say how many times as long as the clean batch each scenario takes, and how long its bodies are."""
    clean = timings[BASELINE.name]
    figures = []
    for scenario in SCENARIOS:
        timing = timings.get(scenario.name)
        if timing is None or scenario is BASELINE:
            continue
        named = f"{scenario.name} / {scenario.against}"
        cost = timing.median / clean.median
        figures.append(Figure(f"time: {named} at {timing.records:,}", cost, at_most=scenario.at_most))
        if scenario.against == _APPEND:
            figures.append(Figure(f"bytes per record: {named}", timing.body_bytes / clean.body_bytes))
    return figures
