"""The queue in memory: its clock, its leases, what it refuses by itself and what a test makes it refuse."""

import pytest

from penstock.queue import Attribute, Outgoing, QueueError, Refusal
from penstock.testing.clock import ManualClock
from penstock.testing.queue import Call, MemoryQueue


def test_a_lease_runs_out_by_the_clock() -> None:
    """A message comes back when its visibility timeout is over, not a moment before."""
    queue = MemoryQueue()
    queue.send([Outgoing("1")])
    queue.receive(1, visibility_seconds=30)
    queue.clock.advance(29.9)
    assert queue.receive(1) == []
    queue.clock.advance(0.1)
    assert queue.receive(1)[0].receive_count == 2


def test_a_lost_lease_deletes_nothing() -> None:
    """Once another receiver has the message, the older handle is refused and the message stays."""
    queue = MemoryQueue()
    queue.send([Outgoing("1")])
    (lost,) = queue.receive(1, visibility_seconds=30)
    queue.clock.advance(30)
    queue.receive(1)
    assert queue.delete([lost.receipt_handle]) == {0: Refusal("ReceiptHandleIsInvalid", retryable=False)}
    assert len(queue.messages) == 1


def test_a_lapsed_lease_that_nobody_took_still_deletes() -> None:
    """As on SQS, the newest handle deletes even after its time, but cannot be prolonged any more."""
    queue = MemoryQueue()
    queue.send([Outgoing("1")])
    (lapsed,) = queue.receive(1, visibility_seconds=30)
    queue.clock.advance(30)
    assert queue.change_visibility([(lapsed.receipt_handle, 60)])[0].code == "InvalidParameterValue"
    assert queue.delete([lapsed.receipt_handle]) == {}
    assert queue.messages == []


def test_deleting_twice_is_deleting_once() -> None:
    """A message that is gone already counts as deleted."""
    queue = MemoryQueue()
    queue.send([Outgoing("1"), Outgoing("2")])
    (message,) = queue.receive(1)
    assert queue.delete([message.receipt_handle, message.receipt_handle]) == {}
    assert queue.bodies == [2]


def test_one_clock_may_serve_several() -> None:
    """Queues that share a clock agree about the time."""
    clock = ManualClock(1000)
    first, second = MemoryQueue(clock), MemoryQueue(clock)
    clock.advance(5)
    first.send([Outgoing("1")])
    second.send([Outgoing("1")])
    assert first.receive(1)[0].sent_at == second.receive(1)[0].sent_at == 1005


def test_a_clock_does_not_run_backwards() -> None:
    """Advancing by a negative time is a mistake."""
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
    """A message that SQS would not take is refused for good, and its neighbour is kept."""
    queue = MemoryQueue()
    assert queue.send([message, Outgoing("2")]) == {0: Refusal(code, retryable=False)}
    assert queue.bodies == [2]


def ordered(body: str, group: str, id_: str | None = None) -> Outgoing:
    """Make a message for a FIFO queue."""
    return Outgoing(body, group=group, deduplication_id=id_ or body)


def test_a_fifo_queue_leases_a_group_in_order() -> None:
    """While a message of a group is under lease its followers wait, and other groups do not."""
    queue = MemoryQueue(fifo=True)
    queue.send([ordered("1", "a"), ordered("2", "a"), ordered("3", "b")])
    (first,) = queue.receive(1)
    assert [message.body for message in queue.receive(10)] == ["3"]
    queue.delete([first.receipt_handle])
    assert [message.body for message in queue.receive(10)] == ["2"]


def test_a_fifo_queue_swallows_what_it_has_had() -> None:
    """The same deduplication id within five minutes is acknowledged and not kept, even after a delete."""
    queue = MemoryQueue(fifo=True)
    queue.send([ordered("1", "a")])
    queue.delete([queue.receive(1)[0].receipt_handle])
    queue.clock.advance(299)
    assert queue.send([ordered("1", "a")]) == {}
    assert queue.messages == []
    queue.clock.advance(1)
    queue.send([ordered("1", "a")])
    assert queue.bodies == [1]


def test_a_fifo_queue_keeps_the_order_of_what_it_refuses() -> None:
    """Behind a refused message nothing of its group is kept."""
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
    """A message without a group that SQS takes, or without a deduplication id, is refused for good."""
    assert MemoryQueue(fifo=True).send([message]) == {0: Refusal(code, retryable=False)}


def test_refusals_can_be_asked_for() -> None:
    """The next calls are refused as told, wholly or in part, and then no more."""
    queue = MemoryQueue()
    queue.refuse("ThrottlingException", calls=2, positions={1})
    both = [Outgoing("1"), Outgoing("2")]
    assert queue.send(both) == {1: Refusal("ThrottlingException", retryable=True)}
    assert list(queue.send(both)) == [1]
    assert queue.send(both) == {}
    assert queue.bodies == [1, 1, 1, 2]


def test_refusals_can_last() -> None:
    """Without a number of calls every call is refused until the queue is told to accept."""
    queue = MemoryQueue()
    queue.refuse("AccessDenied", calls=None, retryable=False)
    assert all(list(queue.send([Outgoing("1")])) == [0] for _ in range(3))
    queue.accept()
    assert queue.send([Outgoing("1")]) == {}


@pytest.mark.parametrize("call", ["delete", "change_visibility"])
def test_each_call_can_be_refused(call: Call) -> None:
    """Deleting and changing visibility are refused by position as well, and then nothing has changed."""
    queue = MemoryQueue()
    queue.send([Outgoing("1")])
    handle = queue.receive(1)[0].receipt_handle
    queue.refuse("InternalError", call=call)
    refused = queue.delete([handle]) if call == "delete" else queue.change_visibility([(handle, 0)])
    assert refused[0].code == "InternalError"
    assert queue.depth().in_flight == 1


def test_a_refused_receive_raises() -> None:
    """A queue that cannot be read says so with the queue's own error."""
    queue = MemoryQueue()
    queue.refuse("AccessDenied", call="receive")
    with pytest.raises(QueueError, match="AccessDenied"):
        queue.receive(1)
    assert queue.receive(1) == []


def test_so_many_are_in_flight_and_no_more() -> None:
    """Who waits gets what there is room for, then nothing; who would not is refused; a deletion makes room."""
    queue = MemoryQueue(in_flight_limit=3)
    queue.send([Outgoing(str(number)) for number in range(5)])
    held = queue.receive(10, wait_seconds=1)
    assert [one.body for one in held] == ["0", "1", "2"]
    assert queue.receive(10, wait_seconds=1) == []
    with pytest.raises(QueueError, match="OverLimit"):
        queue.receive(10)
    queue.delete([held[0].receipt_handle])
    assert [one.body for one in queue.receive(10)] == ["3"]


def test_a_fifo_queue_does_not_say_that_too_many_are_in_flight() -> None:
    """A FIFO queue at its limit gives nothing and refuses nothing."""
    queue = MemoryQueue(fifo=True, in_flight_limit=1)
    queue.send([Outgoing(group, group=group, deduplication_id=group) for group in "ab"])
    assert len(queue.receive(10)) == 1
    assert queue.receive(10) == []


@pytest.mark.parametrize("numbers", [(0, 0, 30), (11, 0, 30), (1, 21, 30), (1, 0, 43_201)])
def test_numbers_out_of_range_are_mistakes(numbers: tuple[int, int, int]) -> None:
    """What SQS would call an invalid parameter is an error at once."""
    limit, wait, visibility = numbers
    with pytest.raises(ValueError, match="must be"):
        MemoryQueue().receive(limit, wait_seconds=wait, visibility_seconds=visibility)
