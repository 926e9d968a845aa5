"""Nothing is dropped by the queue: what is undecided is dead-lettered before the queue's retention ends."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, text

from penstock.consumer import Append, Drain
from penstock.consumer.pipeline.bisect import SYSTEMIC_MIN_ROWS
from penstock.consumer.pipeline.ledger_outcomes import MAX_ATTEMPTS
from penstock.consumer.retention import PATIENCE_SECONDS
from penstock.database import make_engine
from penstock.intents import encode_envelope
from penstock.queue import Outgoing, QueueError
from penstock.testing import LambdaContext, MemoryQueue, sqs_event
from tests.support.drain import Bench, LaterKind, ThingMade, things
from tests.support.triggers import add_trigger

DAY = 86_400
NOWHERE = "postgresql://nobody@127.0.0.1:1/nowhere"


@pytest.fixture
def bench(engine: Engine) -> Bench:
    return Bench(engine)


@pytest.fixture
def nowhere() -> Iterator[Engine]:
    engine = make_engine(NOWHERE)
    yield engine
    engine.dispose()


def simulate(queue: MemoryQueue, drain: Drain) -> int:
    """Deliver what is on the queue whenever it is visible, until it is empty; return the rounds."""
    rounds = 0
    while queue.messages:
        if leased := queue.receive(10, visibility_seconds=180):
            rounds += 1
            event = sqs_event(leased)
            back = {f["itemIdentifier"] for f in drain.handler(event, LambdaContext())["batchItemFailures"]}
            queue.delete([m.receipt_handle for m in leased if m.message_id not in back])
        queue.clock.advance(60)
    return rounds


def send(queue: MemoryQueue, *bodies: str) -> None:
    assert queue.send([Outgoing(body) for body in bodies]) == {}


def sealed(intent: Any) -> str:
    return encode_envelope(intent, id=intent.intent_id, source="/test")


BREAKS: dict[str, Callable[[Engine], None]] = {
    "deployment": lambda engine: _run(engine, "ALTER TABLE things RENAME TO elsewhere"),
    "environment": lambda engine: add_trigger(engine, "RAISE 'no' USING ERRCODE = 'XX000'"),
    "row": lambda engine: add_trigger(engine, "RAISE 'no' USING ERRCODE = '58030'"),
}


def _run(engine: Engine, statement: str) -> None:
    with engine.begin() as connection:
        connection.execute(text(statement))


@pytest.mark.parametrize("days", [14, 4, 1 / 12])
@pytest.mark.parametrize("broken", BREAKS.values(), ids=BREAKS)
def test_the_letter_comes_before_the_queue_drops(
    bench: Bench, broken: Callable[[Engine], None], days: float
) -> None:
    """An intent that never lands and never is at fault is dead-lettered before SQS would drop it."""
    broken(bench.engine)
    queue = MemoryQueue(bench.queue.clock, retention_seconds=int(days * DAY))
    bench.drain = Drain(engine=bench.engine, queue=queue, dead_letters=bench.dead_letters)
    bench.drain.write(ThingMade, Append(things))
    intent = ThingMade(name="a")
    send(queue, sealed(intent))
    rounds = simulate(queue, bench.drain)
    (letter,) = bench.letters
    assert letter.reason == "undecided"
    assert letter.fault == "UndecidedFault"
    assert "last " in letter.detail
    assert rounds < 100
    assert bench.outcomes == {intent.intent_id: "dead"}


def test_an_outage_until_the_end_loses_nothing(nowhere: Engine) -> None:
    """While no database answers, messages near the end of the retention are dead-lettered, and no others."""
    queue, dead = MemoryQueue(), MemoryQueue()
    drain = Drain(engine=nowhere, queue=queue, dead_letters=dead)
    drain.write(ThingMade, Append(things))
    send(queue, sealed(ThingMade(name="old")), "nonsense")
    queue.clock.advance(13 * DAY)
    send(queue, sealed(ThingMade(name="young")))
    event = sqs_event(queue.receive(10))
    assert len(drain.handler(event, LambdaContext())["batchItemFailures"]) == 1
    assert [message.body for message in dead.messages] == [record["body"] for record in event["Records"][:2]]


def test_dead_letters_that_cannot_be_sent_go_back(nowhere: Engine) -> None:
    """Near the end, too, a message is acknowledged only if its letter was sent."""
    queue, dead = MemoryQueue(), MemoryQueue()
    drain = Drain(engine=nowhere, queue=queue, dead_letters=dead)
    drain.write(ThingMade, Append(things))
    send(queue, sealed(ThingMade(name="old")))
    queue.clock.advance(13 * DAY)
    dead.refuse()
    assert len(drain.handler(sqs_event(queue.receive(10)), LambdaContext())["batchItemFailures"]) == 1
    queue.clock.advance(DAY / 2)
    assert drain.handler(sqs_event(queue.receive(10)), LambdaContext()) == {"batchItemFailures": []}
    assert len(dead.messages) == 1


def test_an_unreadable_retention_is_taken_for_that_of_penstock(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the queue does not tell how long it keeps a message, 14 days are assumed, and it is asked again later."""

    def unreadable() -> int:
        raise QueueError("hunter2")

    monkeypatch.setattr(bench.queue, "retention_seconds", unreadable)
    event = sqs_event([LaterKind(x=1)])
    assert len(bench.failed(event)) == 1
    bench.queue.clock.advance(13 * DAY)
    assert bench.failed(event) == []
    assert [letter.reason for letter in bench.letters] == ["undecided"]


def test_many_equal_data_faults_are_set_aside_after_a_few_tries(bench: Bench) -> None:
    """Ten intents that are refused for one cause, with no other in the queue, do not go back for ever."""
    bench([ThingMade(name="taken")])
    queue = bench.queue
    send(queue, *(sealed(ThingMade(name="taken")) for _ in range(SYSTEMIC_MIN_ROWS)))
    started = queue.clock()
    assert simulate(queue, bench.drain) >= MAX_ATTEMPTS
    assert queue.clock() - started < 2 * 3600
    assert {letter.reason for letter in bench.letters} == {"UniqueViolation"}
    assert len(bench.letters) == SYSTEMIC_MIN_ROWS


def test_a_parent_has_time_to_come(bench: Bench) -> None:
    """An orphan is given up after five attempts and a quarter of an hour, whichever is later."""
    event = sqs_event([ThingMade(name="child", parent="nobody")])
    for _ in range(2 * MAX_ATTEMPTS):
        assert len(bench.failed(event)) == 1
    bench.queue.clock.advance(PATIENCE_SECONDS)
    assert bench.failed(event) == []
    assert [letter.sqlstate for letter in bench.letters] == ["23503"]
