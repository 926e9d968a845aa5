"""Copies on another queue: the dead letters stay, and the copies are the same intents with the same faults."""

import json
from dataclasses import replace

import pytest

from penstock.deadletters import Selector
from penstock.deadletters.message import DeadLetterMessage
from penstock.deadletters.replay.copy import Copied, CopyOutcome, CopyPlan, CopySummary, copy_letters
from penstock.queue import Outgoing
from penstock.testing.queue import MemoryQueue
from tests.support.dead_letters import QueuePair, id_of, letter

REFERENCE = {
    "specversion": "1.0",
    "id": id_of(1),
    "source": "/shop",
    "type": "stock.adjusted",
    "time": "2026-11-20T10:00:00Z",
    "dataref": "s3://bucket/payloads/2026-11-20/0199aa00-0000-7000-8000-000000000001",
    "datasize": 2_000_000,
    "datadigest": f"sha256:{'0' * 64}",
}


def copy(queues: QueuePair, target: MemoryQueue, plan: CopyPlan) -> tuple[CopySummary, list[Copied]]:
    results: list[Copied] = []
    return copy_letters(queues.dead, target, plan, on_result=results.append), results


def test_a_copy_is_the_same_message() -> None:
    """Body, attributes and group are those of the dead letter, which stays; the others are not copied."""
    queues = QueuePair(*(letter(number) for number in range(5)))
    target = MemoryQueue(queues.clock)
    summary, results = copy(queues, target, CopyPlan(selector=Selector.of(ids=[id_of(2), id_of(3), id_of(9)])))
    before = {m.body: (m.attributes, m.group) for m in queues.dead.receive(10)}
    after = {m.body: (m.attributes, m.group) for m in target.receive(10)}
    assert {json.loads(body)["id"] for body in after} == {id_of(2), id_of(3)}
    assert all(before[body] == known for body, known in after.items())
    assert (queues.dead.depth().total, queues.main.messages) == (5, [])
    assert (summary.seen, summary.counts) == (5, {CopyOutcome.COPIED: 2})
    assert summary.missing == {id_of(9)}
    assert {one.outcome for one in results} == {CopyOutcome.COPIED}


def test_all_leases_are_given_back() -> None:
    """After a copy of many pages every dead letter is visible."""
    queues = QueuePair(*(letter(number) for number in range(400)))
    target = MemoryQueue(queues.clock)
    copy(queues, target, CopyPlan(selector=Selector.all()))
    assert (queues.dead.depth().visible, target.depth().visible) == (400, 400)


def test_a_dry_run_sends_nothing() -> None:
    """It has the outcomes of a run."""
    queues = QueuePair(letter(1), Outgoing(json.dumps(REFERENCE)))
    target = MemoryQueue(queues.clock)
    summary, _ = copy(queues, target, CopyPlan(selector=Selector.all(), dry_run=True))
    assert summary.counts == {CopyOutcome.COPIED: 1, CopyOutcome.NOT_COPIED: 1}
    assert target.depth().total == 0


def test_a_payload_in_a_bucket_is_not_copied() -> None:
    """The message refers to a bucket that the other drain does not read: it is refused with the reason."""
    queues = QueuePair(Outgoing(json.dumps(REFERENCE)))
    target = MemoryQueue(queues.clock)
    _, (result,) = copy(queues, target, CopyPlan(selector=Selector.all()))
    assert (result.outcome, result.code, target.depth().total) == (CopyOutcome.NOT_COPIED, "PayloadInBucket", 0)
    assert "bucket" in str(result.detail)


def test_copies_on_a_fifo_queue() -> None:
    """Each has an id of its own, so that a second copy is no duplicate; a message without a group is refused."""
    queues = QueuePair(letter(1), replace(letter(2), group=None))
    target = MemoryQueue(queues.clock, fifo=True)
    for _ in range(2):
        _, results = copy(queues, target, CopyPlan(selector=Selector.all()))
        assert {one.id: one.code for one in results} == {id_of(1): None, id_of(2): "NoGroup"}
    assert target.depth().total == 2


@pytest.mark.parametrize("limit", [None, 7])
def test_a_queue_that_refuses_everything_stops_a_copy(limit: int | None) -> None:
    """Thirty refusals in a row end the run with the code; a limit bounds it before that."""
    queues = QueuePair(*(letter(number) for number in range(400)))
    target = MemoryQueue(queues.clock)
    for _ in range(40):
        target.refuse("AccessDenied", call="send")
    summary, results = copy(queues, target, CopyPlan(selector=Selector.all(), limit=limit))
    assert {one.code for one in results} == {"AccessDenied"}
    assert (summary.stopped, len(results) < 400) == ("AccessDenied" if limit is None else None, True)
    assert queues.dead.depth().visible == 400


def test_what_was_not_selected_is_reported() -> None:
    """Each message that was read and not selected is passed to the caller."""
    queues = QueuePair(letter(1), letter(2))
    skipped: list[DeadLetterMessage] = []
    plan = CopyPlan(selector=Selector.of(ids=[id_of(1)]))
    copy_letters(queues.dead, MemoryQueue(queues.clock), plan, on_skip=skipped.append)
    assert [one.id for one in skipped] == [id_of(2)]
