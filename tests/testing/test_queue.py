"""The queue in memory: its clock, its leases, the rules of SQS, and the refusals that a test injects."""

import pytest

from penstock.queue import Attribute, Outgoing, QueueError, Refusal
from penstock.testing.clock import ManualClock
from penstock.testing.injection import Call
from penstock.testing.queue import MemoryQueue


def test_a_lease_expires_by_the_clock() -> None:
    """A message is visible again when its visibility timeout expires, and not earlier."""
    queue = MemoryQueue()
    queue.send([Outgoing("1")])
    queue.receive(1, visibility_seconds=30)
    queue.clock.advance(29.9)
    assert queue.receive(1) == []
    queue.clock.advance(0.1)
    assert queue.receive(1)[0].receive_count == 2


def test_a_lost_lease_deletes_nothing() -> None:
    """After another receiver leases the message, a delete with the old handle is refused."""
    queue = MemoryQueue()
    queue.send([Outgoing("1")])
    (lost,) = queue.receive(1, visibility_seconds=30)
    queue.clock.advance(30)
    queue.receive(1)
    assert queue.delete([lost.receipt_handle]) == {0: Refusal("ReceiptHandleIsInvalid", retryable=False)}
    assert len(queue.messages) == 1


def test_an_expired_lease_still_deletes() -> None:
    """As on SQS, the latest handle deletes even after it has expired, but it cannot be extended."""
    queue = MemoryQueue()
    queue.send([Outgoing("1")])
    (expired,) = queue.receive(1, visibility_seconds=30)
    queue.clock.advance(30)
    assert queue.change_visibility([(expired.receipt_handle, 60)])[0].code == "InvalidParameterValue"
    assert queue.delete([expired.receipt_handle]) == {}
    assert queue.messages == []


def test_deleting_twice_is_no_error() -> None:
    """A message that is already deleted counts as deleted."""
    queue = MemoryQueue()
    queue.send([Outgoing("1"), Outgoing("2")])
    (message,) = queue.receive(1)
    assert queue.delete([message.receipt_handle, message.receipt_handle]) == {}
    assert queue.bodies == [2]


def test_queues_may_share_a_clock() -> None:
    """Queues that share a clock have the same time."""
    clock = ManualClock(1000)
    first, second = MemoryQueue(clock), MemoryQueue(clock)
    clock.advance(5)
    first.send([Outgoing("1")])
    second.send([Outgoing("1")])
    assert first.receive(1)[0].sent_at == second.receive(1)[0].sent_at == 1005


def test_a_clock_does_not_run_backwards() -> None:
    """Advancing by a negative time raises an error."""
    with pytest.raises(ValueError, match="backwards"):
        ManualClock().advance(-1)


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (Outgoing(""), "MissingParameter"),
        (Outgoing("\x00"), "InvalidMessageContents"),
        (Outgoing("\ud800"), "InvalidMessageContents"),
        (Outgoing("1", {"a": Attribute("\x00")}), "InvalidMessageContents"),
        (Outgoing("1", {"a": Attribute("")}), "InvalidParameterValue"),
        (Outgoing("1", {f"a{n}": Attribute("x") for n in range(11)}), "InvalidParameterValue"),
        (Outgoing("\u00e9" * 524_289), "AWS.SimpleQueueService.BatchRequestTooLong"),
        (Outgoing("x" * 1_048_570, {"a": Attribute("x")}), "AWS.SimpleQueueService.BatchRequestTooLong"),
    ],
    ids=["empty", "nul", "surrogate", "bad-attribute", "empty-attribute", "eleven", "bytes", "with-attributes"],
)
def test_what_sqs_refuses_is_refused(message: Outgoing, code: str) -> None:
    """A message that SQS does not accept is refused as not retryable; the next message is stored."""
    queue = MemoryQueue()
    assert queue.send([message, Outgoing("2")]) == {0: Refusal(code, retryable=False)}
    assert queue.bodies == [2]


def ordered(body: str, group: str, id_: str | None = None) -> Outgoing:
    """Make a message for a FIFO queue."""
    return Outgoing(body, group=group, deduplication_id=id_ or body)


def test_a_fifo_queue_leases_a_group_in_order() -> None:
    """While a message of a group is leased, its group waits and other groups do not."""
    queue = MemoryQueue(fifo=True)
    queue.send([ordered("1", "a"), ordered("2", "a"), ordered("3", "b")])
    (first,) = queue.receive(1)
    assert [message.body for message in queue.receive(10)] == ["3"]
    queue.delete([first.receipt_handle])
    assert [message.body for message in queue.receive(10)] == ["2"]


def test_a_fifo_queue_drops_duplicates() -> None:
    """A deduplication id is acknowledged but not stored twice in five minutes, even after a delete."""
    queue = MemoryQueue(fifo=True)
    queue.send([ordered("1", "a")])
    queue.delete([queue.receive(1)[0].receipt_handle])
    queue.clock.advance(299)
    assert queue.send([ordered("1", "a")]) == {}
    assert queue.messages == []
    queue.clock.advance(1)
    queue.send([ordered("1", "a")])
    assert queue.bodies == [1]


def test_a_refusal_blocks_the_rest_of_its_group() -> None:
    """After a refused message, no other message of its group is stored."""
    queue = MemoryQueue(fifo=True)
    queue.refuse("InternalError", positions={0})
    refused = queue.send([ordered("1", "a"), ordered("2", "b"), ordered("3", "a")])
    assert {n: refusal.code for n, refusal in refused.items()} == {0: "InternalError", 2: "BehindRefusal"}
    assert queue.bodies == [2]


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (Outgoing("1", deduplication_id="d"), "MissingParameter"),
        (Outgoing("1", group="g"), "InvalidParameterValue"),
        (Outgoing("1", group="two words", deduplication_id="d"), "InvalidParameterValue"),
        (Outgoing("1", group="g" * 129, deduplication_id="d"), "InvalidParameterValue"),
    ],
    ids=["no-group", "no-deduplication", "bad-group", "long-group"],
)
def test_what_a_fifo_queue_refuses_is_refused(message: Outgoing, code: str) -> None:
    """A message without a valid group or a deduplication id is refused as not retryable."""
    assert MemoryQueue(fifo=True).send([message]) == {0: Refusal(code, retryable=False)}


def test_refusals_can_be_injected() -> None:
    """The given number of calls is refused at the given positions; later calls are accepted."""
    queue = MemoryQueue()
    queue.refuse("ThrottlingException", calls=2, positions={1})
    both = [Outgoing("1"), Outgoing("2")]
    assert queue.send(both) == {1: Refusal("ThrottlingException", retryable=True)}
    assert list(queue.send(both)) == [1]
    assert queue.send(both) == {}
    assert queue.bodies == [1, 1, 1, 2]


def test_refusals_can_last() -> None:
    """With `calls=None` every call is refused until `accept`."""
    queue = MemoryQueue()
    queue.refuse("AccessDenied", calls=None, retryable=False)
    assert all(list(queue.send([Outgoing("1")])) == [0] for _ in range(3))
    queue.accept()
    assert queue.send([Outgoing("1")]) == {}


@pytest.mark.parametrize("call", ["delete", "change_visibility"])
def test_each_call_can_be_refused(call: Call) -> None:
    """Deletes and visibility changes can be refused too; then the queue does not change."""
    queue = MemoryQueue()
    queue.send([Outgoing("1")])
    handle = queue.receive(1)[0].receipt_handle
    queue.refuse("InternalError", call=call)
    refused = queue.delete([handle]) if call == "delete" else queue.change_visibility([(handle, 0)])
    assert refused[0].code == "InternalError"
    assert queue.depth().in_flight == 1


def test_a_refused_receive_raises() -> None:
    """A refused `receive` raises QueueError."""
    queue = MemoryQueue()
    queue.refuse("AccessDenied", call="receive")
    with pytest.raises(QueueError, match="AccessDenied"):
        queue.receive(1)
    assert queue.receive(1) == []


def test_the_number_of_messages_in_flight_is_limited() -> None:
    """At the limit a call that waits returns nothing, any other is refused; a delete makes room."""
    queue = MemoryQueue(in_flight_limit=3)
    queue.send([Outgoing(str(number)) for number in range(5)])
    leased = queue.receive(10, wait_seconds=1)
    assert [one.body for one in leased] == ["0", "1", "2"]
    assert queue.receive(10, wait_seconds=1) == []
    with pytest.raises(QueueError, match="OverLimit"):
        queue.receive(10)
    queue.delete([leased[0].receipt_handle])
    assert [one.body for one in queue.receive(10)] == ["3"]


def test_a_fifo_queue_does_not_report_the_limit() -> None:
    """A FIFO queue at its limit returns nothing and raises nothing."""
    queue = MemoryQueue(fifo=True, in_flight_limit=1)
    queue.send([Outgoing(group, group=group, deduplication_id=group) for group in "ab"])
    assert len(queue.receive(10)) == 1
    assert queue.receive(10) == []


@pytest.mark.parametrize("numbers", [(0, 0, 30), (11, 0, 30), (1, 21, 30), (1, 0, 43_201)])
def test_numbers_out_of_range_are_errors(numbers: tuple[int, int, int]) -> None:
    """A parameter that SQS does not accept raises ValueError."""
    limit, wait, visibility = numbers
    with pytest.raises(ValueError, match="must be"):
        MemoryQueue().receive(limit, wait_seconds=wait, visibility_seconds=visibility)


def test_a_delay_that_sqs_does_not_have_is_refused() -> None:
    """More than 15 minutes are refused, and on a FIFO queue any delay of a single message."""
    assert list(MemoryQueue().send([Outgoing("later", delay_seconds=901)])) == [0]
    late = Outgoing("later", group="a", deduplication_id="1", delay_seconds=1)
    assert list(MemoryQueue(fifo=True).send([late])) == [0]
