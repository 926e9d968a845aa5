"""The loop guard: no dead letter is replayed for ever, and a run ends although messages come back."""

import json
from dataclasses import replace
from typing import Any

import pytest

from penstock.deadletters import (
    Plan,
    Replayed,
    ReplayOutcome,
    Selector,
    replay,
    scan,
)
from penstock.deadletters.edit.errors import EditRefused
from penstock.deadletters.replay_marker import REPLAY_ATTRIBUTE
from penstock.queue import Attribute, Outgoing
from penstock.testing.queue import MemoryQueue
from tests.support.dead_letters import (
    InterceptedQueue,
    QueuePair,
    envelope,
    id_of,
    ids_on,
    letter,
)


def test_a_run_ends_although_its_letters_come_back() -> None:
    """A message that the drain dead-letters again during the run is left there, not replayed for ever."""
    queues = QueuePair(*(letter(number) for number in range(12)))

    def set_aside_again(call: str) -> None:
        if call == "receive":
            taken = queues.main.receive(10)
            queues.dead.send([Outgoing(m.body, m.attributes, m.group) for m in taken])
            queues.main.delete([m.receipt_handle for m in taken])

    summary = queues.replay(Selector.all(), InterceptedQueue(queues.dead, set_aside_again))
    assert summary.counts[ReplayOutcome.REPLAYED] == 12
    assert summary.counts[ReplayOutcome.LEFT] == 12
    assert ids_on(queues.dead) == {id_of(number) for number in range(12)}


def marker_of(message: Outgoing) -> dict[str, Any]:
    """Return the marker on a message."""
    read: dict[str, Any] = json.loads(message.attributes["penstock.replay"].value)
    return read


def test_a_marker_counts_replays() -> None:
    """Each replay is counted on the message, across runs and deaths."""
    queues = QueuePair(letter(1))
    for times in (1, 2, 3):
        queues.replay(Selector.all())
        (sent,) = queues.main.messages
        assert marker_of(sent)["count"] == times
        queues.main = MemoryQueue(queues.clock)
        queues.dead.send([sent])


def test_what_has_been_replayed_too_often_is_left() -> None:
    """With `max_replays` the loop ends: the letter stays where it is, and the others go."""
    queues = QueuePair(letter(1))
    queues.replay(Selector.all())
    queues.dead.send([*queues.main.messages, letter(2)])
    queues.main = MemoryQueue(queues.clock)
    plan = Plan(selector=Selector.all(), max_replays=1)
    summary = replay(queues.dead, queues.main, plan, on_result=queues.results.append, clock=queues.clock)
    assert summary.counts == {ReplayOutcome.LEFT: 1, ReplayOutcome.REPLAYED: 1}
    assert (ReplayOutcome.LEFT, "ReplayedTooOften") in queues.outcomes
    assert ids_on(queues.dead) == {id_of(1)}
    assert queues.dead.depth().visible == 1


@pytest.mark.parametrize("count", [8, 9, 10])
def test_a_message_with_ten_attributes_keeps_them(count: int) -> None:
    """The sender's attributes are all sent; with `max_replays`, a message without room for a marker is left."""
    own = {f"a{number}": Attribute("x") for number in range(count)}
    queues = QueuePair(Outgoing(envelope(1), own))
    guarded = Plan(selector=Selector.all(), max_replays=5)
    left = replay(queues.dead, queues.main, guarded, on_result=queues.results.append, clock=queues.clock)
    if count > 8:
        assert queues.outcomes == [(ReplayOutcome.LEFT, "NoRoomForStamp")]
        assert left.counts == {ReplayOutcome.LEFT: 1}
        assert queues.replay(Selector.all()).counts == {ReplayOutcome.REPLAYED: 1}
    (sent,) = queues.main.messages
    assert {name: sent.attributes[name] for name in own} == own
    assert ("penstock.replay" in sent.attributes) == (count == 8)


def test_an_invalid_marker_is_no_marker() -> None:
    """An invalid value in the marker's attribute counts no replays, and is replaced."""
    for value in ("", "7", "{}", '{"count": "x", "run": 1}', "[" * 5000):
        message = Outgoing(envelope(1), {"penstock.replay": Attribute(value or " ")})
        queues = QueuePair(message)
        assert queues.replay(Selector.all()).counts == {ReplayOutcome.REPLAYED: 1}
        assert marker_of(queues.main.messages[0])["count"] == 1


@pytest.mark.parametrize("count", [-1_000_000, 0])
def test_a_forged_count_does_not_defeat_the_guard(count: int) -> None:
    """A sender cannot cause endless replays by a marker with a count that no replay writes."""
    forged = {REPLAY_ATTRIBUTE: Attribute(json.dumps({"count": count, "run": "x"}))}
    queues = QueuePair(replace(letter(0), attributes={**letter(0).attributes, **forged}))
    found = next(iter(scan(queues.dead)))
    assert (found.marker, found.replays) == (None, 0)


def test_what_comes_back_is_left_before_it_is_edited() -> None:
    """An edit that cannot be made twice does not turn a message that has died again into a failure."""
    queues = QueuePair(letter(1), letter(2))

    def once(body: str) -> str:
        if "edited" in body:
            raise EditRefused("it was edited before")
        return envelope(1, edited=True) if id_of(1) in body else envelope(2, edited=True)

    def die_again(one: Replayed) -> None:
        if one.outcome is ReplayOutcome.REPLAYED:
            queues.dead.send(queues.main.messages)

    plan = Plan(selector=Selector.all(), edit=once)
    summary = replay(queues.dead, queues.main, plan, on_result=die_again, clock=queues.clock)
    assert summary.failed == 0
    assert summary.counts[ReplayOutcome.LEFT] >= 2
