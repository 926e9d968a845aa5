"""What SQS refuses during a replay is reported, and a queue that refuses everything ends the run."""

from penstock.deadletters import (
    LEASE_LOST,
    Plan,
    ReplayOutcome,
    Selector,
    replay,
)
from penstock.deadletters.edit.errors import EditRefused
from tests.support.dead_letters import (
    AGES,
    InterceptedQueue,
    QueuePair,
    id_of,
    ids_on,
    letter,
)


def test_one_refused_message_stops_no_other() -> None:
    """A message that cannot be sent stays a dead letter, SQS's code is reported, and the others are sent."""
    queues = QueuePair(*(letter(number) for number in range(15)))
    queues.main.refuse("InternalError", positions={4})
    summary = queues.replay(Selector.all())
    assert summary.counts == {ReplayOutcome.NOT_SENT: 1, ReplayOutcome.REPLAYED: 14}
    assert (ReplayOutcome.NOT_SENT, "InternalError") in queues.outcomes
    assert (summary.failed, summary.stopped) == (1, None)
    assert ids_on(queues.dead) == {id_of(4)}
    assert queues.dead.depth().visible == 1


def test_a_queue_that_refuses_everything_ends_the_run() -> None:
    """After thirty refusals in a row the run gives up and says why; nothing is lost or hidden."""
    queues = QueuePair(*(letter(number) for number in range(100)))
    queues.main.refuse("AccessDenied", calls=None, retryable=False)
    summary = queues.replay(Selector.all())
    assert (summary.counts, summary.stopped) == ({ReplayOutcome.NOT_SENT: 30}, "AccessDenied")
    assert queues.dead.depth().visible == 100


def test_a_refused_delete_is_reported_and_harmless() -> None:
    """The message is on both queues, which the ledger makes safe, and the next run deletes it."""
    queues = QueuePair(letter(1), letter(2))
    queues.dead.refuse("InternalError", call="delete", positions={0})
    summary = queues.replay(Selector.all())
    assert summary.counts == {ReplayOutcome.NOT_DELETED: 1, ReplayOutcome.REPLAYED: 1}
    assert summary.failed == 1
    assert ids_on(queues.dead) == {id_of(1)}
    assert queues.replay(Selector.all()).counts == {ReplayOutcome.REPLAYED: 1}
    assert queues.dead.messages == []


def test_a_queue_that_lets_nothing_be_deleted_ends_the_run() -> None:
    """Without the permission to delete, a page is copied to the main queue, and not the whole queue."""
    queues = QueuePair(*(letter(number) for number in range(500)))
    queues.dead.refuse("AccessDenied", call="delete", calls=None, retryable=False)
    summary = queues.replay(Selector.all())
    assert summary.stopped == "AccessDenied"
    assert summary.counts[ReplayOutcome.NOT_DELETED] == queues.main.depth().total < 200
    assert queues.dead.depth().visible == 500


def test_a_lease_lost_during_the_sending_deletes_nothing() -> None:
    """If the lease expires during the sending, nothing is deleted, and that is reported."""
    queues = QueuePair(letter(1))
    late = InterceptedQueue(queues.main, lambda _call: queues.clock.advance(AGES))
    replay(queues.dead, late, Plan(selector=Selector.all()), on_result=queues.results.append, clock=queues.clock)
    assert queues.outcomes[0] == (ReplayOutcome.NOT_DELETED, LEASE_LOST)
    assert (ids_on(queues.dead), ids_on(queues.main)) == ({id_of(1)}, {id_of(1)})


def test_an_edit_that_is_refused_stops_no_other() -> None:
    """A message that cannot be edited stays a dead letter with a reason; the others are edited and sent."""

    def edit(body: str) -> str:
        if id_of(1) in body:
            raise EditRefused("data.delta: too small")
        return body.replace('"delta": 1', '"delta": 2')

    queues = QueuePair(letter(1), letter(2))
    plan = Plan(selector=Selector.all(), edit=edit)
    replay(queues.dead, queues.main, plan, on_result=queues.results.append, clock=queues.clock)
    assert [(r.outcome, r.code, r.detail) for r in queues.results if r.code] == [
        (ReplayOutcome.NOT_SENT, "EditRefused", "data.delta: too small")
    ]
    assert [body["data"] for body in queues.main.bodies] == [{"delta": 2}]
    assert ids_on(queues.dead) == {id_of(1)}
