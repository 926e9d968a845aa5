"""A scan shows each dead letter once, and changes nothing."""

import pytest

from penstock.deadletters import (
    scan,
)
from penstock.queue import QueueError
from tests.support.dead_letters import (
    AGES,
    QueuePair,
    id_of,
    letter,
)


def test_a_scan_sees_each_once_and_gives_all_back() -> None:
    """Every message is shown once, counted as received once, and visible again afterwards."""
    queues = QueuePair(*(letter(number) for number in range(25)))
    found = list(scan(queues.dead, limit=100))
    assert sorted(one.id or "" for one in found) == sorted(id_of(number) for number in range(25))
    assert queues.dead.depth().visible == 25
    assert {m.receive_count for m in queues.dead.receive(10)} == {2}


def test_a_scan_is_bounded() -> None:
    """No more than the limit are yielded, and others that were received are given back too."""
    queues = QueuePair(*(letter(number) for number in range(25)))
    assert len(list(scan(queues.dead, limit=12))) == 12
    assert queues.dead.depth().visible == 25


def test_a_scan_that_is_broken_off_gives_back() -> None:
    """Closing the generator early gives the leases back."""
    queues = QueuePair(*(letter(number) for number in range(3)))
    messages = scan(queues.dead, limit=100)
    next(messages)
    assert queues.dead.depth().visible == 0
    messages.close()
    assert queues.dead.depth().visible == 3


def test_a_message_delivered_twice_is_shown_once() -> None:
    """A message whose lease expires during a scan is yielded once, and the scan still ends."""
    queues = QueuePair(*(letter(number) for number in range(15)))
    messages = scan(queues.dead, limit=100)
    first = [next(messages) for _ in range(10)]
    queues.clock.advance(AGES)
    assert len({one.message.message_id for one in [*first, *messages]}) == 15


def test_a_scan_of_an_unreadable_queue_raises() -> None:
    """The queue's own error is raised."""
    queues = QueuePair()
    queues.dead.refuse("AccessDenied", call="receive")
    with pytest.raises(QueueError, match="AccessDenied"):
        list(scan(queues.dead, limit=1))
