"""Tests for every queue: the one in memory must behave as SQS does."""

from collections.abc import Iterator
from contextlib import closing
from uuid import uuid4

import pytest

from penstock.queue import DEADLINE_EXCEEDED, Attribute, Outgoing, Queue, Received, SqsQueue, sqs_client
from penstock.testing.queue import MemoryQueue
from tests.support.project import SESSION


@pytest.fixture(params=["memory", "sqs"])
def queue(request: pytest.FixtureRequest) -> Iterator[Queue]:
    """Give an empty queue: the fake, then SQS as a local AWS has it."""
    if request.param == "memory":
        yield MemoryQueue()
        return
    with closing(sqs_client(SESSION, request.getfixturevalue("local_aws_endpoint"))) as client:
        url = client.create_queue(QueueName=f"queue-{uuid4()}")["QueueUrl"]
        yield SqsQueue(url, client)
        client.delete_queue(QueueUrl=url)


@pytest.fixture(params=["memory", "sqs"])
def fifo_queue(request: pytest.FixtureRequest) -> Iterator[Queue]:
    """Give an empty FIFO queue: the fake, then SQS as a local AWS has it."""
    if request.param == "memory":
        yield MemoryQueue(fifo=True)
        return
    with closing(sqs_client(SESSION, request.getfixturevalue("local_aws_endpoint"))) as client:
        made = client.create_queue(QueueName=f"queue-{uuid4()}.fifo", Attributes={"FifoQueue": "true"})
        yield SqsQueue(made["QueueUrl"], client)
        client.delete_queue(QueueUrl=made["QueueUrl"])


def test_a_queue_knows_its_type(queue: Queue, fifo_queue: Queue) -> None:
    """`fifo` is true for a FIFO queue and false for a standard queue."""
    assert (queue.fifo, fifo_queue.fifo) == (False, True)


def test_a_fifo_queue_orders_and_deduplicates(fifo_queue: Queue) -> None:
    """The messages of each group arrive in the order of sending, each once."""
    sent = [
        Outgoing(f"{group}{n}", group=group, deduplication_id=f"{group}{n}") for n in range(3) for group in "ab"
    ]
    assert fifo_queue.send(sent) == {}
    assert fifo_queue.send(sent) == {}
    bodies = [message.body for message in fifo_queue.receive(10)]
    assert [body for body in bodies if body[0] == "a"] == ["a0", "a1", "a2"]
    assert sorted(bodies) == ["a0", "a1", "a2", "b0", "b1", "b2"]


def test_a_leased_message_blocks_its_group(fifo_queue: Queue) -> None:
    """While a message of a group is leased, no other message of the group is delivered."""
    sent = [Outgoing(str(n), group="a", deduplication_id=str(n)) for n in range(2)]
    assert fifo_queue.send(sent) == {}
    (first,) = fifo_queue.receive(1)
    assert fifo_queue.receive(10) == []
    assert fifo_queue.delete([first.receipt_handle]) == {}
    assert only(fifo_queue).body == "1"


def test_a_fifo_queue_refuses_a_message_without_a_group(fifo_queue: Queue) -> None:
    """A message without a group is refused and not retryable."""
    refused = fifo_queue.send([Outgoing("1", deduplication_id="d")])
    assert {index: refusal.retryable for index, refusal in refused.items()} == {0: False}


def test_a_traced_message_is_sent(queue: Queue) -> None:
    """The trace header changes neither body nor attributes."""
    header = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
    assert queue.send([Outgoing("1", trace=header)]) == {}
    message = only(queue)
    assert (message.body, message.attributes) == ("1", {})


def only(queue: Queue) -> Received:
    """Receive the only message."""
    (message,) = queue.receive(10)
    return message


def test_a_message_comes_back_as_it_was_sent(queue: Queue) -> None:
    """The body, attributes of each type and the group are unchanged."""
    attributes = {
        "type": Attribute("stock.adjusted"),
        "weight": Attribute("1.5", "Number.float"),
        "raw": Attribute(b"\x00\xff", "Binary"),
    }
    assert queue.send([Outgoing('{"a": "\u00e9\U0001f600\\u0000"}', attributes, group="tenant")]) == {}
    message = only(queue)
    assert message.body == '{"a": "\u00e9\U0001f600\\u0000"}'
    assert message.attributes == attributes
    assert message.group == "tenant"
    assert message.receive_count == 1


def test_many_are_sent_in_one_call(queue: Queue) -> None:
    """`send` takes more messages than one batch holds; `receive` returns at most ten."""
    assert queue.send([Outgoing(str(number)) for number in range(23)]) == {}
    pages = [queue.receive(10) for _ in range(4)]
    assert [len(page) for page in pages] == [10, 10, 3, 0]
    assert sorted(int(m.body) for page in pages for m in page) == list(range(23))


def test_an_invalid_body_is_refused_alone(queue: Queue) -> None:
    """A body with a lone surrogate is refused as not retryable; the other messages are sent."""
    refused = queue.send([Outgoing("1"), Outgoing("\ud800"), Outgoing("3")])
    assert {index: refusal.retryable for index, refusal in refused.items()} == {1: False}
    assert sorted(message.body for message in queue.receive(10)) == ["1", "3"]


def test_nothing_to_do_is_no_mistake(queue: Queue) -> None:
    """Empty lists give no refusals."""
    assert (queue.send([]), queue.delete([]), queue.change_visibility([])) == ({}, {}, {})


def test_without_time_nothing_is_done(queue: Queue) -> None:
    """With a timeout of 0 or less every position is refused, and the queue does not change."""
    assert queue.send([Outgoing("1")], timeout_seconds=30) == {}
    message = only(queue)
    late = {0: DEADLINE_EXCEEDED}
    assert queue.send([Outgoing("2")], timeout_seconds=0) == late
    assert queue.delete([message.receipt_handle], timeout_seconds=-1) == late
    assert queue.change_visibility([(message.receipt_handle, 0)], timeout_seconds=0) == late
    assert (queue.depth().visible, queue.depth().in_flight) == (0, 1)


def test_a_leased_message_is_hidden(queue: Queue) -> None:
    """A leased message is invisible to other receivers; the depth counts it as in flight."""
    queue.send([Outgoing("1"), Outgoing("2")])
    queue.receive(1)
    assert len(queue.receive(10)) == 1
    depth = queue.depth()
    assert (depth.visible, depth.in_flight, depth.total) == (0, 2, 2)


def test_a_released_message_is_visible_again(queue: Queue) -> None:
    """After visibility 0 the message is received again, with a new handle and a higher receive count."""
    queue.send([Outgoing("1")])
    first = only(queue)
    assert queue.change_visibility([(first.receipt_handle, 0)]) == {}
    second = only(queue)
    assert (second.message_id, second.receive_count) == (first.message_id, 2)
    assert second.receipt_handle != first.receipt_handle
    assert second.first_received_at == first.first_received_at


def test_a_deleted_message_is_gone(queue: Queue) -> None:
    """A deleted message is not delivered again."""
    queue.send([Outgoing("1")])
    assert queue.delete([only(queue).receipt_handle]) == {}
    assert queue.depth().total == 0


def test_an_unknown_handle_is_refused_alone(queue: Queue) -> None:
    """A wrong handle is refused by position and not retryable; the other messages are deleted."""
    queue.send([Outgoing("1")])
    refused = queue.delete(["no-such-handle", only(queue).receipt_handle])
    assert list(refused) == [0]
    assert not refused[0].retryable
    assert queue.depth().total == 0
    assert list(queue.change_visibility([("no-such-handle", 5)])) == [0]


@pytest.mark.parametrize("character", ["\ufffe", "\uffff", "\x0b"])
def test_a_character_that_sqs_refuses_is_refused_alone(queue: Queue, character: str) -> None:
    """SQS refuses characters that XML 1.0 does not allow; the other messages are sent."""
    refused = queue.send([Outgoing("before"), Outgoing(f"x{character}"), Outgoing("after")])
    assert list(refused) == [1]
    assert not refused[1].retryable
    assert queue.depth().total == 2


def test_a_message_of_exactly_one_mebibyte_is_sent(queue: Queue) -> None:
    """A message at the limit is sent; one with a byte more is refused alone."""
    size = 1_048_576
    refused = queue.send([Outgoing("a"), Outgoing("x" * size), Outgoing("x" * (size + 1)), Outgoing("b")])
    assert list(refused) == [2]
    assert not refused[2].retryable
    assert queue.depth().total == 3


def test_ten_attributes_are_sent(queue: Queue) -> None:
    """A message may have as many attributes as SQS allows."""
    ten = {f"a{number}": Attribute("x") for number in range(10)}
    assert queue.send([Outgoing("1", ten)]) == {}
    assert only(queue).attributes == ten


def test_a_queue_tells_how_long_it_keeps_a_message(queue: Queue) -> None:
    """The retention is one that SQS allows: from a minute to 14 days; and no message is from the future."""
    assert 60 <= queue.retention_seconds() <= 14 * 86_400
    assert queue.send([Outgoing("a")]) == {}
    (message,) = queue.receive(1)
    assert message.sent_at <= queue.now() + 1


def test_a_delayed_message_is_hidden(queue: Queue) -> None:
    """A message with a delay is counted as delayed, and not delivered before its time."""
    assert queue.send([Outgoing("later", delay_seconds=900), Outgoing("now")]) == {}
    assert [message.body for message in queue.receive(10)] == ["now"]
    assert queue.depth().delayed == 1
