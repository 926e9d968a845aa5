"""Concurrent consumers: they leave the same tables as one consumer that gets each intent once and in order."""

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import psycopg
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from penstock import WriteIntent
from penstock.consumer import Drain
from penstock.database import make_engine
from penstock.testing import MemoryQueue, sqs_event
from tests.support.consumers import (
    Counted,
    Seen,
    clean,
    deliver,
    deliver_all,
    every_mode,
    stepped,
    tables,
)
from tests.support.lengths import sampled
from tests.support.modes import (
    Adjusted,
    Mailed,
    changed,
    moments,
    numbers,
    outcomes,
    placed,
    removed,
    words,
)

CONSUMERS = 4
ROUNDS = 3


@pytest.fixture
def consumers(database_url: str) -> Iterator[list[tuple[Engine, Drain, MemoryQueue]]]:
    """Make consumers of one database, each with its own connections."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        # By default Postgres checks for a deadlock after a second: too long for a test with many of them.
        connection.execute(f"ALTER DATABASE {connection.info.dbname} SET deadlock_timeout = '20ms'")
    engines = [make_engine(database_url) for _ in range(CONSUMERS)]
    yield [(engine, *every_mode(engine)) for engine in engines]
    for engine in engines:
        engine.dispose()


views_seen = st.builds(Seen, path=words)
upserts = st.builds(placed, moments, words, numbers, st.none() | words) | st.builds(
    changed, moments, words, numbers
)
deletions = st.builds(removed, moments, numbers)
increments = st.builds(Adjusted, sku=words, delta=st.integers(-5, 5))
several = st.builds(stepped, moments, words, numbers)
customs = st.builds(Counted, name=words) | st.builds(Mailed, what=words)

# The intents that are in every example of a mix, and those that may be. For some consumer a deletion comes before
# its row, a status before its order, and either of two equal versions first.
RIVALS: list[WriteIntent] = [
    placed(2, "a"),
    changed(2, "a"),
    placed(2, "b"),
    changed(2, "b"),
    placed(2, "b", note="a"),
]
ENDS: list[WriteIntent] = [
    placed(1),
    removed(2),
    changed(3),
    placed(3, number=2),
    removed(3, number=2),
    removed(1),
]
MIXES: dict[str, tuple[list[WriteIntent], st.SearchStrategy[WriteIntent]]] = {
    "append": ([], views_seen),
    "upsert": (RIVALS, upserts),
    "increment": ([], increments),
    "delete and upsert": ([*ENDS, *RIVALS], upserts | deletions),
    "custom": ([], customs),
    "several writes": ([*RIVALS, stepped(2, "a"), stepped(2, "b")], several | upserts | deletions),
    "all": ([*ENDS, *RIVALS], views_seen | upserts | increments | deletions | customs | several),
}


def deal(intents: list[WriteIntent], hands: int, chance: random.Random) -> list[list[list[Any]]]:
    """Deal each intent, once or several times, to random consumers in random order, and cut each hand."""
    dealt: list[list[Any]] = [[] for _ in range(hands)]
    for record in sqs_event(intent for intent in intents for _ in range(chance.randint(1, 4)))["Records"]:
        chance.choice(dealt).append(record)
    for hand in dealt:
        chance.shuffle(hand)
    return [[hand[number::ROUNDS] for number in range(ROUNDS)] for hand in dealt]


def consume(drain: Drain, batches: list[list[Any]], together: Barrier) -> None:
    """Drain each batch at the same time as the other consumers, and at the end the rest."""
    left: list[Any] = []
    for batch in batches:
        together.wait(30)
        left += deliver(drain, batch)
    deliver_all(drain, left)


@pytest.mark.parametrize("mix", MIXES)
@pytest.mark.parametrize("examples", sampled(4, 100))
def test_consumers_at_once_leave_what_one_leaves(
    consumers: list[tuple[Engine, Drain, MemoryQueue]], mix: str, examples: int
) -> None:
    """Intents that reach several consumers at once, repeated and in any order, leave the same tables."""
    given_, others = MIXES[mix]
    engine, drain, _ = consumers[0]

    # No shrinking: concurrent runs are not repeatable.
    @settings(max_examples=examples, phases=[Phase.explicit, Phase.generate])
    @given(drawn=st.lists(others, min_size=5, max_size=25), hands=st.integers(2, CONSUMERS), seed=st.integers())
    def try_out(drawn: list[WriteIntent], hands: int, seed: int) -> None:
        intents = [*given_, *drawn]
        clean(engine)
        assert deliver(drain, sqs_event(intents)["Records"]) == []
        alone = tables(engine)
        clean(engine)
        together = Barrier(hands)
        with ThreadPoolExecutor(hands) as pool:
            dealt = deal(intents, hands, random.Random(seed))  # noqa: S311
            drains = [drain for _, drain, _ in consumers]
            list(pool.map(consume, drains, dealt, [together] * hands))
        assert tables(engine) == alone
        settled = outcomes(engine)
        assert settled.keys() == {intent.intent_id for intent in intents}
        assert set(settled.values()) <= {"applied", "stale"}
        assert [letter for _, _, dead in consumers for letter in dead.messages] == []

    try_out()
