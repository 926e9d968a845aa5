"""The laws, with batches that Hypothesis generates."""

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from penstock import WriteIntent
from penstock.database import make_engine
from penstock.testing import sqs_event
from tests.support.drain import Bench, ThingMade, things

NONSENSE = "nonsense"
TOO_LARGE = 2**40

sizes = st.sampled_from([1, 2, 3, TOO_LARGE])
plans = st.lists(sizes | st.just(NONSENSE), max_size=30)
fixture_is_cleaned = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)


def _clean(bench: Bench) -> None:
    with bench.engine.begin() as connection:
        connection.execute(text("TRUNCATE things, penstock.ledger"))
    bench.__init__(bench.engine)  # type: ignore[misc]


def _messages(plan: list[Any]) -> list[WriteIntent | str]:
    return [
        entry if entry == NONSENSE else ThingMade(name=f"{number}", size=entry)
        for number, entry in enumerate(plan)
    ]


def _good(messages: list[WriteIntent | str]) -> list[ThingMade]:
    return [m for m in messages if isinstance(m, ThingMade) and m.size != TOO_LARGE]


@fixture_is_cleaned
@given(plan=plans)
def test_one_bad_intent_hurts_nobody(engine: Engine, plan: list[Any]) -> None:
    """Wherever bad intents are, all others are written in that invocation, and only the bad are dead-lettered."""
    bench = Bench(engine)
    _clean(bench)
    messages = _messages(plan)
    good = _good(messages)
    assert bench(messages) == []
    assert bench.names == sorted(intent.name for intent in good)
    assert len(bench.letters) == len(messages) - len(good)
    assert Counter(bench.outcomes.values()) == Counter(
        "dead" if message not in good else "applied" for message in messages if message != NONSENSE
    )


@fixture_is_cleaned
@given(plan=plans, seed=st.integers(), cuts=st.lists(st.integers(0, 60), max_size=5))
def test_order_repetition_and_cuts_do_not_matter(
    engine: Engine, plan: list[Any], seed: int, cuts: list[int]
) -> None:
    """Any permutation of the same intents, each twice, cut into any batches, leaves the same rows and outcomes."""
    bench = Bench(engine)
    _clean(bench)
    messages = _messages(plan)
    good = {intent.intent_id: (intent.name, intent.size) for intent in _good(messages)}
    records = sqs_event([*messages, *messages])["Records"]
    random.Random(seed).shuffle(records)  # noqa: S311
    bounds = [0, *sorted(cut for cut in cuts if cut < len(records)), len(records)]
    for start, end in pairwise(bounds):
        assert bench.failed({"Records": records[start:end]}) == []
    with bench.engine.connect() as connection:
        rows = {row.intent_id: (row.name, row.size) for row in connection.execute(things.select())}
    assert rows == good
    applied: set[UUID] = {id_ for id_, outcome in bench.outcomes.items() if outcome == "applied"}
    assert applied == good.keys()


def test_concurrent_consumers_write_each_intent_once(database_url: str) -> None:
    """Four consumers that get the same intents at the same time, in different orders, write each once."""
    consumers = [Bench(make_engine(database_url)) for _ in range(4)]
    records = sqs_event(ThingMade(name=str(number)) for number in range(1000))["Records"]

    def consume(bench: Bench) -> list[str]:
        mine = random.Random(id(bench)).sample(records, len(records))  # noqa: S311
        return [
            failed
            for start in range(0, 1000, 100)
            for failed in bench.failed({"Records": mine[start : start + 100]})
        ]

    with ThreadPoolExecutor(len(consumers)) as pool:
        assert list(pool.map(consume, consumers)) == [[], [], [], []]
    assert consumers[0].names == sorted(str(number) for number in range(1000))
    for bench in consumers:
        bench.engine.dispose()
