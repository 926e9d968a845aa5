"""Four consumer processes at once on the same few keys, in every write mode.

HOT_KEYS_SECONDS is the duration, 60 by default.
"""

import os
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from sqlalchemy import Engine

from tests.campaign.consumer import Consumer
from tests.campaign.traffic import Source, expected
from tests.support.consumers import every_mode, tables
from tests.support.modes import outcomes

HOT_KEYS_SECONDS = float(os.environ.get("HOT_KEYS_SECONDS", "60"))
CONSUMERS = 4

pytestmark = [pytest.mark.campaign, pytest.mark.timeout(HOT_KEYS_SECONDS + 300)]


@pytest.fixture
def consumers(engine: Engine, database_url: str) -> Iterator[list[Consumer]]:
    """Start four processes that drain into the same tables."""
    every_mode(engine)
    consumers = [Consumer(database_url) for _ in range(CONSUMERS)]
    yield consumers
    for consumer in consumers:
        consumer.kill()


def deadlocks(url: str) -> int:
    """Return how many deadlocks Postgres has resolved."""
    with psycopg.connect(url) as connection:
        found = connection.execute(
            "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
        ).fetchone()
    return int(found[0]) if found else 0


def test_no_update_is_lost_on_hot_keys(
    engine: Engine, database_url: str, consumers: list[Consumer], capsys: pytest.CaptureFixture[str]
) -> None:
    """Four consumers on twenty keys for a minute leave just what all intents add up to, and none is stuck."""
    seed = random.randrange(2**32)  # noqa: S311
    source = Source(random.Random(seed))  # noqa: S311
    end = time.monotonic() + HOT_KEYS_SECONDS
    account: Counter[str] = Counter()
    slowest = [0.0] * CONSUMERS

    def feed(index: int) -> Counter[str]:
        mine: Counter[str] = Counter()
        while batch := source.take(more=time.monotonic() < end):
            started = time.monotonic()
            answer = consumers[index].drain(batch)
            slowest[index] = max(slowest[index], time.monotonic() - started)
            assert answer, "a consumer does not answer"
            source.give_back([record for record in batch if record["messageId"] in answer.failed])
            mine += answer.handed_back + Counter(batches=1, records=len(batch))
        return mine

    with ThreadPoolExecutor(CONSUMERS) as pool:
        for mine in pool.map(feed, range(CONSUMERS)):
            account += mine
    settled = outcomes(engine)
    with capsys.disabled():
        sys.stdout.write(
            f"\nhot keys for {HOT_KEYS_SECONDS:.0f} s, seed {seed}: {len(source.intents)} intents in"
            f" {account['records']} deliveries and {account['batches']} batches to {CONSUMERS} consumers:"
            f" {dict(Counter(settled.values()))}; {deadlocks(database_url)} deadlocks,"
            f" {account['ConflictFault']} deliveries handed back for conflicts,"
            f" {account['EnvironmentFault']} for the environment; slowest batch {max(slowest):.1f} s\n"
        )
    assert tables(engine) == expected(source.intents)
    assert settled.keys() == {intent.intent_id for intent in source.intents}
    assert set(settled.values()) <= {"applied", "stale"}
    # A deadlock may happen, but the drain resolves it by a retry.
    assert account.keys() == {"batches", "records"}
