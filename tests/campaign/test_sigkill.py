"""Consumers are killed with SIGKILL again and again; what one has not acknowledged is delivered to the next.

KILLS is how often, 40 by default.
"""

import json
import os
import random
import signal
import sys
import time
from typing import Any, get_args
from uuid import UUID

import pytest
from sqlalchemy import Engine

from penstock.intents.packs import singles
from tests.campaign.consumer import Answer, Consumer, Moment
from tests.campaign.traffic import Source, expected
from tests.support.consumers import every_mode, tables
from tests.support.modes import outcomes

KILLS = int(os.environ.get("KILLS", "40"))
# A batch takes a few hundredths of a second: a consumer lives for some batches, or for less than one.
LONGEST_LIFE_SECONDS = 0.4

pytestmark = [pytest.mark.campaign, pytest.mark.timeout(KILLS * 5 + 300)]


class Deliveries:
    """Batches that are delivered to one consumer after another, until all messages are acknowledged."""

    def __init__(self, engine: Engine, seed: int, *, packed: bool = False) -> None:
        every_mode(engine)
        self.engine = engine
        self.source = Source(random.Random(seed), poison=True, packed=packed)  # noqa: S311
        self.acknowledged = 0
        self.dead: set[str] = set()

    def take_answer(self, batch: list[Any], answer: Answer) -> None:
        """Give back the failed records; all others are acknowledged."""
        failed = [record for record in batch if record["messageId"] in answer.failed]
        self.source.give_back(failed)
        self.acknowledged += len(batch) - len(failed)
        self.dead |= answer.dead

    def finish(self, url: str) -> None:
        """Deliver the rest to a consumer that is not killed, and compare the tables with the emitted intents."""
        with Consumer(url) as consumer:
            while batch := self.source.take(more=False):
                answer = consumer.drain(batch)
                assert answer, "the consumer does not answer"
                self.take_answer(batch, answer)
        settled, poisoned = outcomes(self.engine), self.source.poisoned
        good = [intent for intent in self.source.intents if intent.intent_id not in poisoned]
        assert tables(self.engine) == expected(good)
        assert settled.keys() == {intent.intent_id for intent in self.source.intents}
        assert set(settled.values()) == {"applied", "stale", "dead"}
        assert {id_ for id_, outcome in settled.items() if outcome == "dead"} == poisoned
        # A killed consumer may have sent a dead letter that comes again, but none is lost.
        assert self.dead == set(map(str, poisoned))


def ids_of(batch: list[Any]) -> set[UUID]:
    return {UUID(json.loads(text)["id"]) for record in batch for text in singles(record["body"])}


@pytest.mark.parametrize("packed", [False, True])
def test_a_consumer_killed_at_any_moment_loses_and_repeats_nothing(
    engine: Engine, database_url: str, capsys: pytest.CaptureFixture[str], packed: bool
) -> None:
    """Wherever a consumer is killed, each intent takes effect once, and each bad one is dead-lettered."""
    seed = random.randrange(2**32)  # noqa: S311
    lives = random.Random(seed)  # noqa: S311
    deliveries = Deliveries(engine, seed, packed=packed)
    committed = 0
    for _ in range(KILLS):
        with Consumer(database_url) as consumer:
            end = time.monotonic() + lives.uniform(0, LONGEST_LIFE_SECONDS)
            batch = deliveries.source.take(more=True)
            while answer := consumer.drain(batch, end - time.monotonic()):
                deliveries.take_answer(batch, answer)
                batch = deliveries.source.take(more=True)
        committed += ids_of(batch) <= outcomes(engine).keys()
        # Without a pause: the server may still execute a statement of the killed consumer.
        deliveries.source.give_back(batch)
    deliveries.finish(database_url)
    with capsys.disabled():
        sys.stdout.write(
            f"\n{KILLS} kills, {'packs, ' if packed else ''}seed {seed}: {len(deliveries.source.intents)} intents,"
            f" {deliveries.acknowledged} deliveries acknowledged; {committed} of {KILLS} batches had committed"
            f" when their consumer was killed; {len(deliveries.dead)} dead letters, for"
            f" {len(deliveries.source.poisoned)} bad intents\n"
        )


@pytest.mark.parametrize("moment", get_args(Moment))
def test_a_consumer_killed_beside_its_commit_loses_and_repeats_nothing(
    engine: Engine, database_url: str, moment: Moment
) -> None:
    """Killed before COMMIT a consumer has written nothing, after COMMIT all; redelivered, it takes effect once."""
    deliveries = Deliveries(engine, seed=0)
    for _ in range(10):
        batch = deliveries.source.take(more=True)
        new = ids_of(batch) - outcomes(engine).keys()
        with Consumer(database_url, suicide=moment) as consumer, pytest.raises(EOFError):
            consumer.drain(batch)
        assert consumer.process.exitcode == -signal.SIGKILL
        assert new & outcomes(engine).keys() == (new if moment == "after COMMIT" else set())
        deliveries.source.give_back(batch)
    deliveries.finish(database_url)
