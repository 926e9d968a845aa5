"""The drain with changed kinds: old messages, dead letters and repetitions across a deployment."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Column, Connection, Engine, MetaData, Table, Text, Uuid, select

from penstock import WriteIntent
from penstock.consumer import Append, Custom, Drain
from penstock.consumer.dead_letter import DeadLetter
from penstock.consumer.pipeline.ledger_outcomes import MAX_ATTEMPTS
from penstock.consumer.retention import PATIENCE_SECONDS
from penstock.database import ledger
from penstock.deadletters import Plan, Selector, replay
from penstock.intents import encode_envelope, new_id
from penstock.producer import Producer
from penstock.settings import Settings
from penstock.testing import LambdaContext, MemoryQueue, sqs_event
from tests.support.evolution import Data, event

metadata = MetaData()


parts = Table("parts", metadata, Column("intent_id", Uuid, primary_key=True), Column("name", Text, unique=True))


class PartV1(WriteIntent, kind="part.seen"):
    called: str


class PartV2(WriteIntent, kind="part.noted", version=2, aliases="part.seen"):
    name: str


@PartV2.upgrader(1)
def _(data: Data) -> Data:
    return {"name": data["called"].upper()}


class Bench:
    """Drains of several deployments on one database, with queues in memory."""

    def __init__(self, engine: Engine) -> None:
        metadata.create_all(engine)
        self.engine = engine
        self.queue, self.dead_letters = MemoryQueue(), MemoryQueue()

    def drain(self, intent: type[WriteIntent], messages: Sequence[Any], mode: Any = None) -> int:
        """Drain messages with a deployment that has this class; return the number of batch item failures."""
        drain = Drain(engine=self.engine, queue=self.queue, dead_letters=self.dead_letters)
        columns = {"name": "called"} if "called" in intent.model_fields else {}
        drain.write(intent, mode or Append(parts, columns))
        return len(drain.handler(sqs_event(messages), LambdaContext())["batchItemFailures"])

    @property
    def entries(self) -> dict[UUID, tuple[str, str]]:
        with self.engine.connect() as connection:
            return {r.id: (r.kind, r.outcome) for r in connection.execute(select(ledger))}

    @property
    def names(self) -> list[str]:
        with self.engine.connect() as connection:
            return sorted(connection.scalars(select(parts.c.name)))

    @property
    def letters(self) -> list[DeadLetter]:
        letters = [DeadLetter.read(message.attributes) for message in self.dead_letters.messages]
        return [letter for letter in letters if letter]


@pytest.fixture
def bench(engine: Engine) -> Bench:
    return Bench(engine)


def nothing(connection: Connection, intents: Sequence[Any]) -> None:
    """Do nothing."""


def test_old_messages_are_applied_beside_new_ones(bench: Bench) -> None:
    """Messages of old versions and names are upgraded and applied, under the current name of the kind."""
    old = [encode_envelope(PartV1(called=name), id=new_id(), source="/t") for name in "ab"]
    assert bench.drain(PartV2, [*old, PartV2(name="c"), event("part.noted", {"called": "d"})]) == 0
    assert bench.names == ["A", "B", "D", "c"]
    assert set(bench.entries.values()) == {("part.noted", "applied")}


def test_an_old_dead_letter_is_applied_after_the_change(bench: Bench) -> None:
    """A dead letter of the old deployment is replayed to the new one, upgraded, and applied once."""
    bench.drain(PartV1, [PartV1(called="taken")])
    id_ = new_id()
    body = encode_envelope(PartV1(called="taken"), id=id_, source="/t")
    assert bench.drain(PartV1, [body]) == 0
    assert [letter.reason for letter in bench.letters] == ["UniqueViolation"]
    summary = replay(bench.dead_letters, bench.queue, Plan(selector=Selector.all()))
    assert summary.failed == 0
    (message,) = bench.queue.receive(10)
    assert bench.drain(PartV2, [message.body, message.body]) == 0
    assert bench.names == ["TAKEN", "taken"]
    assert bench.entries[id_] == ("part.noted", "applied")


def test_a_message_without_an_upgrader_is_retried_then_dead_lettered(bench: Bench) -> None:
    """Without an upgrader it is retried a few times; then it is a dead letter that names the missing one."""

    class Forgotten(WriteIntent, kind="part.noted", version=2):
        name: str

    body = event("part.noted", {"called": "a"})
    bench.queue.clock.advance(PATIENCE_SECONDS)
    neighbour = [Forgotten(name=f"neighbour {number}") for number in range(MAX_ATTEMPTS)]
    back = [bench.drain(Forgotten, [body, neighbour[number]]) for number in range(MAX_ATTEMPTS)]
    assert back == [1] * (MAX_ATTEMPTS - 1) + [0]
    (letter,) = bench.letters
    assert letter.detail == "unknown-version: dataversion no_upgrader_from_1"
    assert len(bench.names) == MAX_ATTEMPTS
    replay(bench.dead_letters, bench.queue, Plan(selector=Selector.all()))
    assert bench.drain(PartV2, [message.body for message in bench.queue.receive(10)]) == 0
    assert "A" in bench.names


def test_a_failing_upgrader_affects_its_record_only(bench: Bench) -> None:
    """The record is dead-lettered at once, with the version and the error class; the others are applied."""
    bodies = [event("part.seen", {"called": "a"}), event("part.seen", {"caled": "hunter2"})]
    assert bench.drain(PartV2, bodies) == 0
    assert bench.names == ["A"]
    (letter,) = bench.letters
    assert (letter.kind, letter.detail) == ("part.noted", "upgrade-failed: upgrader(1) KeyError")
    assert "hunter2" not in str(bench.entries)


def test_a_duplicate_across_a_rename_is_not_an_id_conflict(bench: Bench) -> None:
    """A message that was applied under the old name of its kind is acknowledged when it is delivered again."""

    class Renamed(WriteIntent, kind="part.sighted", aliases="part.seen"):
        called: str

    body = encode_envelope(PartV1(called="a"), id=new_id(), source="/t")
    for intent in (PartV1, Renamed, Renamed):
        assert bench.drain(intent, [body]) == 0
    assert bench.names == ["a"]
    assert bench.letters == []


@pytest.mark.parametrize("mode", [None, Custom(nothing)])
def test_an_upgraded_duplicate_is_not_an_id_conflict(bench: Bench, mode: Any) -> None:
    """A message that was applied in the old version is a duplicate, although upgrading changes its values."""

    class Cents(WriteIntent, kind="part.seen", version=2):
        called: str

    Cents.upgrader(1)(lambda data: {"called": data["called"] * 2})
    body = encode_envelope(PartV1(called="a"), id=new_id(), source="/t")
    for intent in (PartV1, Cents, Cents):
        assert bench.drain(intent, [body], mode) == 0
    assert bench.letters == []


def test_an_id_conflict_is_found_within_a_version(bench: Bench) -> None:
    """Two different payloads of one version with one id are a conflict, upgraded or not."""
    id_ = new_id()
    bodies = [event("part.seen", {"called": name}, id=str(id_)) for name in "aab"]
    for body in bodies:
        assert bench.drain(PartV2, [body]) == 0
    assert [letter.reason for letter in bench.letters] == ["id-reused"]


def test_an_idempotency_key_survives_a_rename() -> None:
    """An idempotency key gives the same id before and after the kind is renamed."""

    class Renamed(WriteIntent, kind="part.sighted", aliases=("part.seen", "part.found")):
        called: str

    producer = Producer(Settings(receipt_key="key", source="/shop"), MemoryQueue())
    first, second = (producer.emit(cls(called="a"), idempotency_key="k").id for cls in (PartV1, Renamed))
    assert first == second
