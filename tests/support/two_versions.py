"""A service of which two versions drain one queue, on a clock that a test moves."""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Column, Engine, Integer, MetaData, Table, Text, Uuid, func, select

from penstock import WriteIntent
from penstock.consumer import Append, Drain, Increment
from penstock.consumer.dead_letter import DeadLetter
from penstock.database import ledger
from penstock.deadletters import Plan, Selector, replay
from penstock.intents import encode_envelope
from penstock.queue import Outgoing
from penstock.testing import LambdaContext, ManualClock, MemoryQueue, sqs_event
from tests.support.evolution import Data

metadata = MetaData()

# Expanded already: the column of the new field can be null, and the table of the new kind is there.
gauges = Table(
    "our_gauges",
    metadata,
    Column("intent_id", Uuid, primary_key=True),
    Column("name", Text, nullable=False),
    Column("unit", Text),
)
sales = Table(
    "our_sales",
    metadata,
    Column("name", Text, primary_key=True),
    Column("count", Integer, nullable=False),
)


class OldGauge(WriteIntent, kind="gauge.read"):
    name: str


class NewGauge(WriteIntent, kind="gauge.read", version=2):
    name: str
    unit: str | None = None


@NewGauge.upgrader(1)
def _(data: Data) -> Data:
    return data


class Careless(WriteIntent, kind="gauge.read"):
    """The same field, without another version."""

    name: str
    unit: str | None = None


class Sold(WriteIntent, kind="gauge.sold"):
    name: str
    count: int = 1


def old_intent() -> WriteIntent:
    return OldGauge(name="a")


def new_intent() -> WriteIntent:
    return random.choice([NewGauge(name="b", unit="bar"), Sold(name="c")])  # noqa: S311


class TwoVersions:
    """A queue, a drain of each version, and what became of each intent."""

    def __init__(self, engine: Engine) -> None:
        metadata.create_all(engine)
        self.engine = engine
        self.clock = ManualClock()
        self.queue, self.dead_letters = MemoryQueue(self.clock), MemoryQueue(self.clock)
        self.old, self.new = self.version(OldGauge), self.version(NewGauge)
        self.new.write(Sold, Increment(sales, key="name", add={"count": "count"}))
        self.emitted: list[WriteIntent] = []

    def version(self, gauge: type[WriteIntent]) -> Drain:
        """Return a drain that knows a version of the kind."""
        drain = Drain(engine=self.engine, queue=self.queue, dead_letters=self.dead_letters)
        drain.write(gauge, Append(gauges))
        return drain

    def run(self, minutes: float, emit: Callable[[], WriteIntent] | None, share: float) -> None:
        """Let time pass in steps of ten seconds, in each of which some intents are emitted and drained.

        Args:
            minutes: how long.
            emit: makes an intent; None if none is emitted.
            share: the share of the invocations that go to the new version.
        """
        end = self.clock() + minutes * 60
        while self.clock() < end:
            if emit:
                self._emit([emit() for _ in range(4)])
            while leased := self.queue.receive(5, visibility_seconds=181):
                drain = self.new if random.random() < share else self.old  # noqa: S311
                self._invoke(drain, leased)
            self.clock.advance(10)

    def replay(self) -> None:
        """Replay all dead letters."""
        assert replay(self.dead_letters, self.queue, Plan(selector=Selector.all())).failed == 0

    @property
    def reasons(self) -> Counter[str]:
        """Why intents are on the dead-letter queue."""
        letters = [DeadLetter.read(message.attributes) for message in self.dead_letters.messages]
        return Counter(letter.reason for letter in letters if letter)

    def account(self) -> Counter[str]:
        """Return the outcomes of what was emitted; each intent must have one, and what is dead a letter."""
        with self.engine.connect() as connection:
            known = {row.id: row.outcome for row in connection.execute(select(ledger.c.id, ledger.c.outcome))}
        assert known.keys() <= {intent.intent_id for intent in self.emitted}
        found = Counter(known.get(intent.intent_id, "pending") for intent in self.emitted)
        assert sum(found.values()) == len(self.emitted)
        assert found["pending"] == len(self.queue.messages)
        assert found["dead"] == len(self.dead_letters.messages)
        return found

    def rows(self) -> int:
        """Return how many intents took effect in the tables."""
        with self.engine.connect() as connection:
            count = connection.scalar(select(func.count()).select_from(gauges)) or 0
            return count + (connection.scalar(select(func.sum(sales.c.count))) or 0)

    def _emit(self, intents: Sequence[WriteIntent]) -> None:
        self.emitted += intents
        bodies = [encode_envelope(intent, id=intent.intent_id, source="/test") for intent in intents]
        assert self.queue.send([Outgoing(body, {}) for body in bodies]) == {}

    def _invoke(self, drain: Drain, leased: Sequence[Any]) -> None:
        failures = drain.handler(sqs_event(leased), LambdaContext())["batchItemFailures"]
        back = {failure["itemIdentifier"] for failure in failures}
        self.queue.delete([message.receipt_handle for message in leased if message.message_id not in back])
