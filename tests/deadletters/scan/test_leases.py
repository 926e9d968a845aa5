"""Leases: all are given back at the end, however long the run takes and whichever call fails."""

from itertools import count
from threading import Event

import pytest

from penstock.deadletters import (
    Selector,
    scan,
)
from penstock.deadletters.scan import leases as leases_module
from penstock.deadletters.scan.leases import PAGE_LIMIT, Leases
from penstock.queue import QueueError
from penstock.queue.message import BATCH_LIMIT
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


def test_a_scan_waits_for_no_late_call() -> None:
    """While one of several receives is late, a scan of everything goes on with what the others have received."""
    queues = QueuePair(*(letter(number) for number in range(100)))
    calls, gone_on = count(1), Event()
    waited: list[bool] = []

    def delay_the_third(call: str) -> None:
        if call == "receive" and next(calls) == 3:
            waited.append(gone_on.wait(20))

    for number, _ in enumerate(scan(InterceptedQueue(queues.dead, delay_the_third))):
        if number == BATCH_LIMIT:  # The first call is alone; this one is from the second.
            gone_on.set()
    assert waited == [True]
    assert queues.dead.depth().visible == 100


def test_a_scan_that_is_broken_off_gives_back_what_it_received_ahead() -> None:
    """Leases of messages that the caller has not got yet are given back, too."""
    queues = QueuePair(*(letter(number) for number in range(2000)))
    found = scan(queues.dead)
    for _ in range(500):
        next(found)
    found.close()
    assert queues.dead.depth().visible == 2000


def test_fewer_large_messages_are_received_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind a page of large messages, half as many calls run: memory holds no more than a page."""
    monkeypatch.setattr(leases_module, "_LARGE_CHARACTERS", 10)
    queues = QueuePair(*(letter(number) for number in range(1000)))
    most = 0
    with Leases(queues.dead, 100, ahead=True, clock=queues.clock) as leases:
        for _ in leases.pages():
            most = max(most, leases._calls)
    assert most == PAGE_LIMIT // BATCH_LIMIT // 2
