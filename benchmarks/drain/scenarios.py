"""Penstock alone: batches that are not clean and tables that are not empty, compared with its own clean batch.

`SCENARIOS` is the registry. The clean batch has page views, which are appended. Kinds that are written by key have
bodies of other lengths, so each of their figures comes with the ratio of the lengths.
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
from benchmarks.drain.rounds import Run, Timing, interleave, ratio
from benchmarks.drain.server import LEDGERS, Database
from benchmarks.drain.shop import SHOP, expected_tables, read_tables
from benchmarks.figures import Figure
from penstock import WriteIntent


def _settling_event(_event: Event) -> Event:
    return page_views_event(SETTLING)


@dataclass(frozen=True, slots=True)
class Scenario:
    """A batch that Penstock drains under special conditions.

    Attributes:
        name: the name in the report.
        make_event: makes an event with a number of records, of fresh ids.
        make_earlier: makes the event that is drained first, not timed, from the timed event.
        at_most: the highest ratio to the time of the clean batch that reaches the target; None for no target.
        baseline: the name of the clean batch in the figure.
        dead: how many records are dead-lettered; all others are applied.
        full_ledger: whether the ledger is the one with millions of rows, which is not emptied.
    """

    name: str
    make_event: Callable[[int], Event] = page_views_event
    make_earlier: Callable[[Event], Event] = _settling_event
    at_most: float | None = None
    baseline: str = "clean"
    dead: int = 0
    full_ledger: bool = False


_APPEND = "append"


def _keyed_scenario(name: str, *kinds: Callable[[int], WriteIntent], at_most: float | None = None) -> Scenario:
    """Return a scenario that writes by key: one key per ten records, half of the keys already in the table."""

    def earlier(event: Event) -> Event:
        return keyed_event(kinds, len(event["Records"]) // 20, per_key=1)

    return Scenario(name, partial(keyed_event, kinds), earlier, at_most, _APPEND)


def _redelivered(event: Event, *, every: int = 1) -> Event:
    """Return an event with every n-th record, so that the ledger contains them when the whole event comes."""
    return {"Records": event["Records"][::every]}


BASELINE = Scenario("clean")

SCENARIOS = (
    BASELINE,
    _keyed_scenario("upsert", order_placed, at_most=1.35),
    _keyed_scenario("upsert of two kinds", order_placed, order_status_changed),
    _keyed_scenario("increment", stock_adjusted, at_most=1),
    Scenario(
        "one record in a hundred delivered before", make_earlier=partial(_redelivered, every=100), at_most=1.2
    ),
    Scenario("every record delivered before", make_earlier=_redelivered),
    Scenario("one poison record", make_event=partial(page_views_event, poison=1), at_most=1.3, dead=1),
    Scenario("ten poison records", make_event=partial(page_views_event, poison=10), at_most=2, dead=10),
    Scenario("full ledger, ids by time", at_most=1.3, full_ledger=True),
    Scenario(
        "full ledger, derived ids",
        make_event=partial(page_views_event, derived=True),
        at_most=1.4,
        full_ledger=True,
    ),
)


def run_scenarios(
    scenarios: Sequence[Scenario], empty: Database, full: Database, *, size: int, rounds: int
) -> dict[str, Timing]:
    """Time the scenarios on events of `size` records.

    Args:
        scenarios: the scenarios to time.
        empty: a database whose ledger is emptied before each round.
        full: a database whose ledger has millions of rows.
        size: the number of records per event.
        rounds: the number of counted rounds.
    """
    turns = {
        scenario.name: _ScenarioTurn(scenario, full if scenario.full_ledger else empty, size)
        for scenario in scenarios
    }
    try:
        return interleave(turns, rounds=rounds)
    finally:
        for turn in turns.values():
            turn.contender.close()


class _ScenarioTurn:
    def __init__(self, scenario: Scenario, database: Database, size: int) -> None:
        self.contender = Penstock(database.url)
        self.event: Event = {}
        self._earlier: Event = {}
        self._scenario, self._database, self._size = scenario, database, size

    def prepare(self) -> Sequence[Run]:
        self._database.empty(*SHOP, *(() if self._scenario.full_ledger else LEDGERS))
        self.event = self._scenario.make_event(self._size)
        self._earlier = self._scenario.make_earlier(self.event)
        self.contender.prepare(self._earlier)()
        return [self.contender.prepare(self.event)]

    def check(self) -> None:
        assert self.contender.take_dead_letters() == self._scenario.dead
        assert read_tables(self._database.connection) == expected_tables([self._earlier, self.event])


def cost_figures(timings: Mapping[str, Timing]) -> list[Figure]:
    """Return the ratio of each scenario's time to that of the clean batch, and of its bodies' lengths."""
    clean = timings[BASELINE.name]
    figures = []
    for scenario in SCENARIOS:
        timing = timings.get(scenario.name)
        if timing is None or scenario is BASELINE:
            continue
        title = f"{scenario.name} / {scenario.baseline}"
        cost = ratio(timing, clean)
        figures.append(Figure(f"time: {title} at {timing.records:,}", cost, at_most=scenario.at_most))
        if scenario.baseline == _APPEND:
            figures.append(Figure(f"bytes per record: {title}", timing.body_bytes / clean.body_bytes))
    return figures
