"""Leases: all are given back at the end, however long the run takes and whichever call fails."""

from itertools import count

import pytest

from penstock.deadletters import (
    Selector,
    scan,
)
from penstock.deadletters.scan.leases import Leases
from penstock.queue import QueueError
from tests.support.dead_letters import (
    InterceptedQueue,
    QueuePair,
    id_of,
    letter,
)


def test_leases_of_many_pages_are_all_given_back() -> None:
    """Messages leased over many pages are visible again at the end, each counted as one receive."""
    queues = QueuePair(*(letter(number) for number in range(2000)))
    assert sum(1 for _ in scan(queues.dead, Selector.of(ids=[id_of(7)]))) == 1
    assert queues.dead.depth().visible == 2000
    assert {message.receive_count for message in queues.dead.receive(10)} == {2}


def test_expired_leases_keep_no_others_hidden() -> None:
    """If the first leases expire during a scan, the later ones are still given back."""
    queues = QueuePair(*(letter(number) for number in range(600)))
    with Leases(queues.dead, 100, clock=queues.clock) as leases:
        for number, _ in enumerate(leases.pages()):
            if number == 4:
                queues.clock.advance(60)
            if number == 5:
                queues.clock.advance(60)
                break
    assert queues.dead.depth().visible == 600


def test_a_receive_that_fails_beside_others_hides_nothing() -> None:
    """If one of several receives fails, the scan raises its error, and gives the others' leases back."""
    queues = QueuePair(*(letter(number) for number in range(100)))
    calls = count()

    def fail_the_sixth(call: str) -> None:
        if call == "receive" and next(calls) == 5:
            raise QueueError("away")

    with pytest.raises(QueueError, match="away"):
        list(scan(InterceptedQueue(queues.dead, fail_the_sixth), Selector.of(kinds=["x"])))
    assert queues.dead.depth().visible == 100
