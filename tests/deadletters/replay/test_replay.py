"""A replay sends the selected dead letters as their senders wrote them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from penstock.deadletters import (
    Plan,
    Replayed,
    ReplayOutcome,
    Selector,
    Summary,
    replay,
    scan,
)
from penstock.deadletters.replay_marker import REPLAY_ATTRIBUTE
from penstock.queue import Attribute, Outgoing, Refusal
from penstock.testing.queue import MemoryQueue
from tests.support.dead_letters import (
    SENDERS,
    QueuePair,
    envelope,
    id_of,
    ids_on,
    letter,
)


def bare(messages: Sequence[Outgoing]) -> list[Outgoing]:
    """Return messages without the marker of a replay, in the order of their bodies."""
    return sorted(
        (
            replace(m, attributes={k: v for k, v in m.attributes.items() if k != REPLAY_ATTRIBUTE})
            for m in messages
        ),
        key=lambda message: message.body,
    )


def test_a_replay_moves_all_as_they_were_sent() -> None:
    """Every dead letter is on the main queue, with its sender's attributes and group and without the letter."""
    queues = QueuePair(*(letter(number) for number in range(25)))
    summary = queues.replay(Selector.all())
    assert summary == Summary(25, {ReplayOutcome.REPLAYED: 25}, frozenset(), None)
    assert queues.dead.messages == []
    expected = [Outgoing(envelope(number), SENDERS, "tenant") for number in range(25)]
    assert bare(queues.main.messages) == bare(expected)


def test_the_selected_alone_are_replayed() -> None:
    """The ids may be of intents or of messages; the other messages are visible again at once."""
    queues = QueuePair(*(letter(number) for number in range(25)))
    message_id = next(one.message.message_id for one in scan(queues.dead, limit=25) if one.id == id_of(20))
    summary = queues.replay(Selector.of(ids=[id_of(3).upper(), message_id]))
    assert (summary.counts, summary.missing) == ({ReplayOutcome.REPLAYED: 2}, frozenset())
    assert ids_on(queues.main) == {id_of(3), id_of(20)}
    assert queues.dead.depth().visible == 23


def test_every_copy_of_a_selected_intent_is_replayed() -> None:
    """Of two dead letters of one intent both go: the ledger lets it take effect once."""
    queues = QueuePair(letter(1), letter(1), letter(2))
    summary = queues.replay(Selector.of(ids=[id_of(1)]))
    assert summary.counts == {ReplayOutcome.REPLAYED: 2}
    assert [body["id"] for body in queues.dead.bodies] == [id_of(2)]


def test_a_selector_without_a_match_does_nothing() -> None:
    """An id that is not there is named, and no message moves."""
    queues = QueuePair(letter(1))
    summary = queues.replay(Selector.of(ids=["nobody"]))
    assert summary == Summary(1, {}, frozenset({"nobody"}), None)
    assert (len(queues.dead.messages), queues.main.messages) == (1, [])


def test_another_programs_message_needs_its_own_id() -> None:
    """An id inside a foreign text means nothing; the message's id, or all, replays it untouched."""
    foreign = Outgoing('{"id": "1", "a": 2}', {"x": Attribute("y")})
    queues = QueuePair(foreign)
    assert queues.replay(Selector.of(ids=["1"])).missing == {"1"}
    (one,) = scan(queues.dead, limit=1)
    assert queues.replay(Selector.of(ids=[one.message.message_id])).counts == {ReplayOutcome.REPLAYED: 1}
    assert bare(queues.main.messages) == [foreign]


def test_a_limit_bounds_what_is_sent() -> None:
    """No more than the limit are sent, and all others are visible again at once."""
    queues = QueuePair(*(letter(number) for number in range(300)))
    for limit in (0, 7, 200):
        plan = Plan(selector=Selector.of(kinds=["stock.adjusted"]), limit=limit)
        assert (
            replay(queues.dead, queues.main, plan, clock=queues.clock).counts.get(ReplayOutcome.REPLAYED, 0)
            == limit
        )
    assert len(queues.main.messages) == 207
    assert queues.dead.depth().visible == 93


def test_a_run_out_of_time_says_so() -> None:
    """A run that has no more time ends after a page, reports that, and hides no message."""
    queues = QueuePair(*(letter(number) for number in range(300)))
    turns = iter([True, False])
    plan = Plan(selector=Selector.all())
    summary = replay(queues.dead, queues.main, plan, in_time=lambda: next(turns), clock=queues.clock)
    assert summary.stopped == "OutOfTime"
    assert 0 < len(queues.main.messages) < 300
    assert len(queues.main.messages) + queues.dead.depth().visible == 300


def test_a_slow_replay_reaches_what_is_behind_much_that_is_left() -> None:
    """Other messages come back first when their leases expire in a slow run: it still reaches the end."""
    others = [Outgoing(envelope(number, type="email.requested")) for number in range(2000)]
    queues = QueuePair(*others, *(letter(number) for number in range(2000, 2400)))

    class Slow(MemoryQueue):
        def send(self, messages: Sequence[Outgoing], **more: Any) -> dict[int, Refusal]:
            queues.clock.advance(len(messages))
            return super().send(messages, **more)

    queues.main = Slow(queues.clock)
    summary = queues.replay(Selector.of(kinds=["stock.adjusted"]))
    assert (summary.counts.get(ReplayOutcome.REPLAYED), summary.seen) == (400, 2400)


def test_all_outcomes_are_reported() -> None:
    """If the report of one outcome is interrupted, the others of its page are still reported."""
    queues = QueuePair(*(letter(number) for number in range(10)))
    reported: list[Replayed] = []

    def interrupted(one: Replayed) -> None:
        reported.append(one)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        replay(queues.dead, queues.main, Plan(selector=Selector.all()), on_result=interrupted, clock=queues.clock)
    assert len(reported) == len(queues.main.messages) == 10
    assert queues.dead.depth().total == 0


def test_a_small_limit_does_not_make_a_search_slow() -> None:
    """With a selector the pages are full, however small the limit is."""
    queues = QueuePair(*(letter(number) for number in range(200)))
    pages: list[int] = []
    plan = Plan(selector=Selector.of(ids=[id_of(199)]), limit=1)
    replay(queues.dead, queues.main, plan, on_page=pages.append, clock=queues.clock)
    assert (sum(pages), len(queues.main.messages)) == (200, 1)
    assert len(pages) < 10
