"""The sweep: which messages it moves to the dead-letter queue, and when the probe runs it."""

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest

from penstock.consumer import Probe
from penstock.consumer.breaker import sweep
from penstock.consumer.breaker.event_source import MARK, OPERATOR_MARK
from penstock.consumer.breaker.sweep import LEASE_SECONDS, Sweep
from penstock.consumer.dead_letter import DeadLetter, unstamp
from penstock.consumer.hooks import Hooks
from penstock.consumer.sent_time import SENT_ATTRIBUTE
from penstock.intents import encode_envelope, encode_reference
from penstock.queue import Attribute, Outgoing, QueueError, SqsQueue, sqs_client
from penstock.settings import Settings, SettingsError
from penstock.testing import LambdaContext, ManualClock, MemoryQueue
from tests.support.breaker import NoteTaken
from tests.support.lambdas import MAPPING, LambdaStub
from tests.support.packs import pack
from tests.support.project import SESSION

DAY = 86_400
DUE = 41_667 * 12 * 3600
"""A time at which a sweep begins."""

OLD, YOUNG = 13 * DAY, 12 * DAY


class Bench:
    """A probe with its queues, whose drain is off."""

    def __init__(self, *, fifo: bool = False) -> None:
        self.clock = ManualClock(DUE - OLD)
        self.main, self.dead = MemoryQueue(self.clock, fifo=fifo), MemoryQueue(self.clock, fifo=fifo)
        self.aws = LambdaStub(on=False, clock=self.clock, modified_at=self.clock())
        client: Any = self.aws
        settings = Settings(event_source_mapping=MAPPING)
        self.told: list[DeadLetter] = []
        hooks = Hooks(on_dead_letter=self.told.append)
        queues: Any = {"queue": self.main, "dead_letters": self.dead}
        self.probe = Probe(settings, client=client, hooks=lambda: hooks, **queues)

    def send(self, *bodies: str) -> None:
        attributes = {"region": Attribute("eu"), "raw": Attribute(b"\x00", "Binary")}
        fifo = self.main.fifo
        assert (
            self.main.send([Outgoing(body, attributes, "group", body if fifo else None) for body in bodies]) == {}
        )

    def run(self) -> list[str]:
        """Run the probe; return the bodies of all dead letters."""
        self.probe.handler({}, LambdaContext())
        return [message.body for message in self.dead.messages]


@pytest.fixture
def bench() -> Bench:
    bench = Bench()
    bench.send("old")
    bench.clock.advance(OLD)
    return bench


def test_a_swept_pack_is_a_letter_for_each_intent() -> None:
    """No dead letter of a sweep is a pack; what the dead-letter queue refuses keeps its pack on the queue."""
    bench = Bench()
    intents = [NoteTaken(text=text) for text in "abc"]
    bench.send(pack(intents))
    bench.clock.advance(OLD)
    bench.dead.refuse(positions=[1])
    bench.run()
    assert len(bench.main.messages) == 1
    bench.clock.advance(LEASE_SECONDS)
    bench.clock.advance(12 * 3600 - LEASE_SECONDS)
    bodies = bench.run()
    assert bench.main.messages == []
    assert {json.loads(body)["id"] for body in bodies} == {str(one.intent_id) for one in intents}
    assert {letter.id for letter in bench.told} == {str(one.intent_id) for one in intents}
    assert {message.group for message in bench.dead.messages} == {"group"}


def test_a_swept_message_is_a_letter_like_those_of_the_drain() -> None:
    """The letter keeps body, attributes and group, and names kind, id, cause and times."""
    bench, intent = Bench(), NoteTaken(text="a")
    body = encode_envelope(intent, id=intent.intent_id, source="/test")
    large = encode_reference(body, "s3://bucket/key")
    bench.send(body, large, "nonsense")
    bench.clock.advance(OLD)
    assert bench.run() == [body, large, "nonsense"]
    assert {message.group for message in bench.dead.messages} == {"group"}
    own, reference, other = (unstamp(message.attributes) for message in bench.dead.messages)
    assert own.keys() == reference.keys() == {"region", "raw"}
    # What is no envelope of Penstock's may be an event without a time, which has that of its first message.
    assert other.keys() - own.keys() == {SENT_ATTRIBUTE}
    assert other[SENT_ATTRIBUTE].value == str((DUE - OLD) * 1000)
    first, second, third = (DeadLetter.read(message.attributes) for message in bench.dead.messages)
    assert bench.told == [first, second, third]
    assert first
    assert second
    assert third
    assert (first.kind, first.id) == (second.kind, second.id) == ("note.taken", str(intent.intent_id))
    assert (third.kind, third.id) == (None, None)
    assert (first.fault, first.detail) == ("UndecidedFault", "undecided: last EnvironmentFault DrainOff")
    assert (first.receive_count, first.function_version) == (1, "1")
    assert first.first_seen == datetime.fromtimestamp(DUE, UTC).isoformat()


def test_young_messages_stay() -> None:
    """A message that the queue keeps for longer is received once in a sweep, and delivered after its lease."""
    bench = Bench()
    bench.clock.advance(OLD - YOUNG)
    bench.send("young")
    bench.clock.advance(YOUNG)
    for _ in range(15):
        assert bench.run() == []
        bench.clock.advance(60)
    bench.clock.advance(LEASE_SECONDS - 15 * 60)
    (message,) = bench.main.receive(10)
    assert (message.body, message.receive_count) == ("young", 2)


@pytest.mark.parametrize("marks", [{}, {OPERATOR_MARK: "alice"}, {MARK: "then", OPERATOR_MARK: "alice"}])
def test_it_does_not_matter_who_turned_the_drain_off(bench: Bench, marks: dict[str, str]) -> None:
    """Messages are swept with an operator's mark or without any, and the mapping stays as it is."""
    bench.aws.tags = dict(marks)
    assert bench.run() == ["old"]
    assert bench.main.messages == []
    assert (bench.aws.on, bench.aws.tags) == (False, marks)


def _turn_on(bench: Bench) -> None:
    bench.aws.on = True


def _turn_off_lately(bench: Bench) -> None:
    bench.aws.modified_at = bench.clock() - 3500


def _wait(bench: Bench) -> None:
    bench.clock.advance(LEASE_SECONDS)


@pytest.mark.parametrize("change", [_turn_on, _turn_off_lately, _wait])
def test_at_other_times_no_message_is_received(bench: Bench, change: Any) -> None:
    """Nothing is received while the drain is on, in the first hour, and between two sweeps."""
    change(bench)
    assert bench.run() == []
    (message,) = bench.main.receive(10)
    assert message.receive_count == 1


def test_without_its_database_the_probe_still_sweeps(bench: Bench) -> None:
    """If the probe cannot even find its database, it raises, after it has dead-lettered what is old."""
    bench.aws.tags = {MARK: "then"}
    with pytest.raises(SettingsError, match="PENSTOCK_DATABASE_URL"):
        bench.run()
    assert [message.body for message in bench.dead.messages] == ["old"]


def test_refused_letters_stay_on_the_queue_in_order() -> None:
    """What the dead-letter queue refuses, and what is behind it in its group, is swept the next time."""
    bench = Bench(fifo=True)
    bench.send("1", "2", "3")
    bench.clock.advance(OLD)
    bench.dead.refuse(positions=[1])
    assert bench.run() == ["1"]
    assert [message.body for message in bench.main.messages] == ["2", "3"]
    bench.clock.advance(12 * 3600)
    assert bench.run() == ["1", "2", "3"]
    assert bench.main.messages == []


def test_a_letter_that_sqs_refuses_is_sent_without_the_attributes_of_its_sender(bench: Bench) -> None:
    """If the dead-letter queue refuses a letter as invalid, it gets the body and the fault alone."""
    bench.dead.refuse("InvalidParameterValue", retryable=False)
    assert bench.run() == ["old"]
    assert unstamp(bench.dead.messages[0].attributes) == {}
    assert DeadLetter.read(bench.dead.messages[0].attributes)
    assert bench.main.messages == []


@pytest.fixture
def sqs(local_aws_endpoint: str) -> Iterator[tuple[SqsQueue, SqsQueue]]:
    """A main queue of the local AWS, by whose clock its messages are 13 days older, and a dead-letter queue."""

    class Aged(SqsQueue):
        def now(self) -> float:
            return super().now() + OLD

    with closing(sqs_client(SESSION, local_aws_endpoint)) as client:
        urls = [client.create_queue(QueueName=f"queue-{uuid4()}")["QueueUrl"] for _ in range(2)]
        client.set_queue_attributes(QueueUrl=urls[0], Attributes={"MessageRetentionPeriod": str(14 * DAY)})
        yield Aged(urls[0], client), SqsQueue(urls[1], client)
        for url in urls:
            client.delete_queue(QueueUrl=url)


def test_many_messages_of_a_real_queue_are_swept_once(sqs: tuple[SqsQueue, SqsQueue]) -> None:
    """From SQS as a local AWS has it, several threads move each message to the dead-letter queue once."""
    main, dead = sqs
    bodies = [str(number) for number in range(95)]
    assert main.send([Outgoing(body, {"region": Attribute("eu")}) for body in bodies]) == {}
    assert Sweep(main, dead).run(30, "1") == 95
    assert main.depth().total == 0
    letters = [message for _ in bodies for message in dead.receive(10)]
    assert sorted(message.body for message in letters) == sorted(bodies)
    assert all(DeadLetter.read(message.attributes) for message in letters)
    assert all(message.attributes["region"] == Attribute("eu") for message in letters)


def test_an_unreadable_queue_raises(bench: Bench) -> None:
    """If the probe may not receive, it raises, so that the alarm on its errors is triggered."""
    bench.main.refuse("AccessDenied", call="receive", calls=None)
    with pytest.raises(QueueError, match="AccessDenied"):
        bench.run()


def test_a_sweep_that_finds_much_is_continued(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that ends early, but found old messages, is continued by the next runs until no message is left."""
    bench = Bench()
    for _ in range(10):
        bench.send(*map(str, range(50)))
    bench.clock.advance(OLD)
    ticks: Iterator[int] = iter(range(100_000))
    monkeypatch.setattr(sweep, "time", SimpleNamespace(monotonic=lambda: next(ticks)))
    swept = Sweep(bench.main, bench.dead)
    found = [swept.run(20, "1")]
    bench.clock.advance(3600)
    while swept.is_due:
        found.append(swept.run(20, "1"))
    assert len(found) > 2
    assert sum(found) == len(bench.dead.messages) == 500
