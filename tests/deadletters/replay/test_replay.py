"""Dead letters: looking changes nothing, and replaying loses nothing, whatever happens on the way."""

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.consumer.dead_letter import DeadLetter
from penstock.deadletters import (
    LEASE_LOST,
    DeadLetterMessage,
    Origin,
    Plan,
    ReplayOutcome,
    Selector,
    Summary,
    scan,
)
from penstock.deadletters import (
    replay as run_replay,
)
from penstock.deadletters.edit.errors import EditRefused
from penstock.deadletters.replay.rate_limiter import RateLimiter
from penstock.deadletters.replay_marker import REPLAY_ATTRIBUTE
from penstock.deadletters.scan.leases import Leases
from penstock.queue import Attribute, Outgoing, QueueError, Refusal
from penstock.testing.clock import ManualClock
from penstock.testing.queue import MemoryQueue
from tests.support.dead_letters import (
    AGES,
    SENDERS,
    FailurePlan,
    InterceptedQueue,
    QueuePair,
    RunKilled,
    envelope,
    id_of,
    ids_on,
    letter,
    plans,
)

# Looking


def test_a_look_sees_each_once_and_gives_all_back() -> None:
    """Every message is shown once, counted as received once, and visible again afterwards."""
    stage = QueuePair(*(letter(number) for number in range(25)))
    found = list(scan(stage.dead, limit=100))
    assert sorted(one.id or "" for one in found) == sorted(id_of(number) for number in range(25))
    assert stage.dead.depth().visible == 25
    assert {m.receive_count for m in stage.dead.receive(10)} == {2}


def test_a_look_is_bounded() -> None:
    """No more are shown than asked for, and those received beyond that are given back too."""
    stage = QueuePair(*(letter(number) for number in range(25)))
    assert len(list(scan(stage.dead, limit=12))) == 12
    assert stage.dead.depth().visible == 25


def test_a_look_that_is_broken_off_gives_back() -> None:
    """Closing the generator early releases what it held."""
    stage = QueuePair(*(letter(number) for number in range(3)))
    looking = scan(stage.dead, limit=100)
    next(looking)
    assert stage.dead.depth().visible == 0
    looking.close()
    assert stage.dead.depth().visible == 3


def test_a_message_delivered_twice_is_shown_once() -> None:
    """A lease that runs out during a look shows nothing a second time, and the look still ends."""
    stage = QueuePair(*(letter(number) for number in range(15)))
    looking = scan(stage.dead, limit=100)
    first = [next(looking) for _ in range(10)]
    stage.clock.advance(AGES)
    assert len({one.message.message_id for one in [*first, *looking]}) == 15


def test_a_look_at_an_unreadable_queue_says_so() -> None:
    """The queue's own error comes through."""
    stage = QueuePair()
    stage.dead.refuse("AccessDenied", call="receive")
    with pytest.raises(QueueError, match="AccessDenied"):
        list(scan(stage.dead, limit=1))


def found(message: Outgoing) -> DeadLetterMessage:
    """Find one message on a queue of its own."""
    (one,) = scan(QueuePair(message).dead, limit=1)
    return one


def test_a_letter_is_read() -> None:
    """Fault, kind and id are those of the letter and the envelope."""
    one = found(letter(7))
    assert one.letter
    assert (one.id, one.kind, one.letter.fault) == (id_of(7), "stock.adjusted", "DataFault")
    assert one.letter.detail == "CheckViolation: sqlstate 23514, constraint stock_quantity_check"
    assert one.origin == Origin.DRAIN


def test_an_envelope_that_sqs_moved_is_known() -> None:
    """Without a letter, an envelope still has its id and kind."""
    one = found(Outgoing(envelope(7)))
    assert (one.id, one.kind, one.letter, one.origin) == (id_of(7), "stock.adjusted", None, Origin.SQS)


@pytest.mark.parametrize(
    "body", ["hello", "[1]", "1", '{"id": "1"}', '{"specversion": 1, "id": 1, "type": 1}', "[" * 100_000, "{"]
)
def test_another_programs_message_is_foreign(body: str) -> None:
    """What is neither envelope nor letter is listed as such, however strange."""
    one = found(Outgoing(body, {"penstock.dead-letter": Attribute("not json")}))
    assert (one.origin, one.id, one.kind) == (Origin.OTHER, None, None)


def test_a_letter_of_an_unreadable_body_is_ours() -> None:
    """A body that was not JSON got a letter from the drain, without an id."""
    dead = DeadLetter(fault="DataFault", reason="not-json", detail="not-json")
    one = found(dead.stamp(Outgoing("{")))
    assert (one.origin, one.id) == (Origin.DRAIN, None)


# Replaying


def bare(messages: Sequence[Outgoing]) -> list[Outgoing]:
    """Return messages without the stamp of a replay, in the order of their bodies."""
    return sorted(
        (
            replace(m, attributes={k: v for k, v in m.attributes.items() if k != REPLAY_ATTRIBUTE})
            for m in messages
        ),
        key=lambda message: message.body,
    )


def test_a_replay_moves_all_as_they_were_sent() -> None:
    """Every dead letter is on the main queue, with its sender's attributes and group and without the letter."""
    stage = QueuePair(*(letter(number) for number in range(25)))
    summary = stage.replay(Selector.all())
    assert summary == Summary(25, {ReplayOutcome.REPLAYED: 25}, frozenset(), None)
    assert stage.dead.messages == []
    expected = [Outgoing(envelope(number), SENDERS, "tenant") for number in range(25)]
    assert bare(stage.main.messages) == bare(expected)


def test_the_selected_alone_are_replayed() -> None:
    """By an intent's id or a message's id; the others are visible again at once."""
    stage = QueuePair(*(letter(number) for number in range(25)))
    message_id = next(one.message.message_id for one in scan(stage.dead, limit=25) if one.id == id_of(20))
    summary = stage.replay(Selector.of(ids=[id_of(3).upper(), message_id]))
    assert (summary.counts, summary.missing) == ({ReplayOutcome.REPLAYED: 2}, frozenset())
    assert ids_on(stage.main) == {id_of(3), id_of(20)}
    assert stage.dead.depth().visible == 23


def test_every_copy_of_a_selected_intent_is_replayed() -> None:
    """Of two dead letters of one intent both go: the ledger lets it take effect once."""
    stage = QueuePair(letter(1), letter(1), letter(2))
    summary = stage.replay(Selector.of(ids=[id_of(1)]))
    assert summary.counts == {ReplayOutcome.REPLAYED: 2}
    assert [body["id"] for body in stage.dead.bodies] == [id_of(2)]


def test_a_selector_without_a_match_does_nothing() -> None:
    """An id that is not there is named, and no message moves."""
    stage = QueuePair(letter(1))
    summary = stage.replay(Selector.of(ids=["nobody"]))
    assert summary == Summary(1, {}, frozenset({"nobody"}), None)
    assert (len(stage.dead.messages), stage.main.messages) == (1, [])


@pytest.mark.parametrize(
    "criteria",
    [
        {},
        {"ids": []},
        {"ids": [""]},
        {"ids": [id_of(1), " "]},
        {"kinds": [""]},
        {"faults": [""]},
        {"sqlstates": ["23514", ""]},
        {"fingerprints": [""]},
        {"since": 2.0, "until": 2.0},
    ],
)
def test_a_selector_that_says_nothing_is_a_mistake(criteria: dict[str, Any]) -> None:
    """No criterion, a blank one, or a time that cannot be, selects nothing by being refused."""
    with pytest.raises(ValueError, match=r"select|lies between"):
        Selector.of(**criteria)


class Holds:
    """A condition on the body."""

    def __init__(self, text: str) -> None:
        self.text = text

    def matches(self, body: str) -> bool:
        """Tell whether the text is in it."""
        return self.text in body


@pytest.mark.parametrize(
    ("criteria", "expected"),
    [
        ({"kinds": ["stock.adjusted"]}, {"letter", "moved"}),
        ({"kinds": ["other.kind", "stock.adjusted"]}, {"letter", "moved", "kind"}),
        ({"faults": ["DataFault"]}, {"letter", "kind"}),
        ({"faults": ["CheckViolation", "other"]}, {"letter", "kind", "foreign"}),
        ({"faults": ["sqs"]}, {"moved"}),
        ({"sqlstates": ["23514"]}, {"letter", "kind"}),
        ({"sqlstates": ["23505"]}, set()),
        ({"since": 1_800_000_100.0}, {"foreign"}),
        ({"until": 1_800_000_100.0}, {"letter", "moved", "kind"}),
        ({"kinds": ["stock.adjusted"], "faults": ["DataFault"]}, {"letter"}),
        ({"where": Holds("needle")}, {"moved"}),
    ],
)
def test_a_selector_takes_what_meets_each_criterion(criteria: dict[str, Any], expected: set[str]) -> None:
    """Of one criterion any value will do; of several criteria each has to hold; nothing else is taken."""
    named = {
        "letter": letter(1),
        "moved": Outgoing(envelope(2, data="needle")),
        "kind": letter(3, type="other.kind"),
        "foreign": Outgoing("hello"),
    }
    stage = QueuePair()
    for name, message in named.items():
        if name == "foreign":
            stage.clock.advance(200)
        stage.dead.send([message])
    bodies = {message.body: name for name, message in named.items()}
    found = scan(stage.dead, Selector.of(**criteria))
    assert {bodies[one.message.body] for one in found} == expected
    assert stage.dead.depth().visible == 4


def test_a_selector_is_written_down_as_it_was_given() -> None:
    """The description names the criteria that are given, in a form that JSON takes, and says when it means all."""
    given = Selector.of(kinds=["b", "a"], since=5.0, where=Holds("x"))
    assert given.describe() == {"kinds": ["a", "b"], "since": 5.0, "where": "x"}
    assert Selector.all().describe() == {"all": True}
    json.dumps(given.describe())


def test_another_programs_message_needs_its_own_id() -> None:
    """An id inside a foreign text means nothing; the message's id, or all, replays it untouched."""
    foreign = Outgoing('{"id": "1", "a": 2}', {"x": Attribute("y")})
    stage = QueuePair(foreign)
    assert stage.replay(Selector.of(ids=["1"])).missing == {"1"}
    (one,) = scan(stage.dead, limit=1)
    assert stage.replay(Selector.of(ids=[one.message.message_id])).counts == {ReplayOutcome.REPLAYED: 1}
    assert bare(stage.main.messages) == [foreign]


def test_one_refused_message_stops_nobody() -> None:
    """What cannot be sent stays a dead letter, with SQS's reason told, and the others go."""
    stage = QueuePair(*(letter(number) for number in range(15)))
    stage.main.refuse("InternalError", positions={4})
    summary = stage.replay(Selector.all())
    assert summary.counts == {ReplayOutcome.NOT_SENT: 1, ReplayOutcome.REPLAYED: 14}
    assert (ReplayOutcome.NOT_SENT, "InternalError") in stage.outcomes
    assert (summary.failed, summary.stopped) == (1, None)
    assert ids_on(stage.dead) == {id_of(4)}
    assert stage.dead.depth().visible == 1


def test_a_queue_that_refuses_everything_ends_the_run() -> None:
    """After thirty refusals in a row the run gives up and says why; nothing is lost or hidden."""
    stage = QueuePair(*(letter(number) for number in range(100)))
    stage.main.refuse("AccessDenied", calls=None, retryable=False)
    summary = stage.replay(Selector.all())
    assert (summary.counts, summary.stopped) == ({ReplayOutcome.NOT_SENT: 30}, "AccessDenied")
    assert stage.dead.depth().visible == 100


def test_a_refused_delete_is_told_and_harmless() -> None:
    """The message is on both queues, which the ledger makes safe, and the next run deletes it."""
    stage = QueuePair(letter(1), letter(2))
    stage.dead.refuse("InternalError", call="delete", positions={0})
    summary = stage.replay(Selector.all())
    assert summary.counts == {ReplayOutcome.NOT_DELETED: 1, ReplayOutcome.REPLAYED: 1}
    assert summary.failed == 1
    assert ids_on(stage.dead) == {id_of(1)}
    assert stage.replay(Selector.all()).counts == {ReplayOutcome.REPLAYED: 1}
    assert stage.dead.messages == []


def test_a_lease_lost_during_the_sending_deletes_nothing() -> None:
    """When sending outlasts the lease, nothing is deleted under another receiver's feet, and that is told."""
    stage = QueuePair(letter(1))
    late = InterceptedQueue(stage.main, lambda _call: stage.clock.advance(AGES))
    run_replay(stage.dead, late, Plan(selector=Selector.all()), on_result=stage.results.append, clock=stage.clock)
    assert stage.outcomes[0] == (ReplayOutcome.NOT_DELETED, LEASE_LOST)
    assert (ids_on(stage.dead), ids_on(stage.main)) == ({id_of(1)}, {id_of(1)})


def test_a_run_ends_although_its_letters_come_back() -> None:
    """A message that the drain sets aside again during the run is left there, not replayed for ever."""
    stage = QueuePair(*(letter(number) for number in range(12)))

    def set_aside_again(call: str) -> None:
        if call == "receive":
            taken = stage.main.receive(10)
            stage.dead.send([Outgoing(m.body, m.attributes, m.group) for m in taken])
            stage.main.delete([m.receipt_handle for m in taken])

    summary = stage.replay(Selector.all(), InterceptedQueue(stage.dead, set_aside_again))
    assert summary.counts[ReplayOutcome.REPLAYED] == 12
    assert summary.counts[ReplayOutcome.LEFT] == 12
    assert ids_on(stage.dead) == {id_of(number) for number in range(12)}


def stamped(message: Outgoing) -> dict[str, Any]:
    """Read the stamp on a message."""
    read: dict[str, Any] = json.loads(message.attributes["penstock.replay"].value)
    return read


def test_a_stamp_counts_replays() -> None:
    """Each replay is counted on the message, across runs and deaths."""
    stage = QueuePair(letter(1))
    for times in (1, 2, 3):
        stage.replay(Selector.all())
        (sent,) = stage.main.messages
        assert stamped(sent)["count"] == times
        stage.main = MemoryQueue(stage.clock)
        stage.dead.send([sent])


def test_what_has_been_replayed_too_often_is_left() -> None:
    """With `max_replays` the loop ends: the letter stays where it is, and the others go."""
    stage = QueuePair(letter(1))
    stage.replay(Selector.all())
    stage.dead.send([*stage.main.messages, letter(2)])
    stage.main = MemoryQueue(stage.clock)
    plan = Plan(selector=Selector.all(), max_replays=1)
    summary = run_replay(stage.dead, stage.main, plan, on_result=stage.results.append, clock=stage.clock)
    assert summary.counts == {ReplayOutcome.LEFT: 1, ReplayOutcome.REPLAYED: 1}
    assert (ReplayOutcome.LEFT, "ReplayedTooOften") in stage.outcomes
    assert ids_on(stage.dead) == {id_of(1)}
    assert stage.dead.depth().visible == 1


@pytest.mark.parametrize("count", [8, 9, 10])
def test_a_message_with_ten_attributes_keeps_them(count: int) -> None:
    """What the sender wrote is sent in full; where a stamp has no room, the loop guard does not let it go."""
    own = {f"a{number}": Attribute("x") for number in range(count)}
    stage = QueuePair(Outgoing(envelope(1), own))
    guarded = Plan(selector=Selector.all(), max_replays=5)
    left = run_replay(stage.dead, stage.main, guarded, on_result=stage.results.append, clock=stage.clock)
    if count > 8:
        assert stage.outcomes == [(ReplayOutcome.LEFT, "NoRoomForStamp")]
        assert left.counts == {ReplayOutcome.LEFT: 1}
        assert stage.replay(Selector.all()).counts == {ReplayOutcome.REPLAYED: 1}
    (sent,) = stage.main.messages
    assert {name: sent.attributes[name] for name in own} == own
    assert ("penstock.replay" in sent.attributes) == (count == 8)


def test_a_stamp_of_somebody_elses_is_no_stamp() -> None:
    """A foreign value under the stamp's name counts for nothing, and is replaced."""
    for value in ("", "7", "{}", '{"count": "x", "run": 1}', "[" * 5000):
        message = Outgoing(envelope(1), {"penstock.replay": Attribute(value or " ")})
        stage = QueuePair(message)
        assert stage.replay(Selector.all()).counts == {ReplayOutcome.REPLAYED: 1}
        assert stamped(stage.main.messages[0])["count"] == 1


def test_a_limit_bounds_what_is_sent() -> None:
    """No more than asked for are sent, and all others are visible again at once."""
    stage = QueuePair(*(letter(number) for number in range(300)))
    for limit in (0, 7, 200):
        plan = Plan(selector=Selector.of(kinds=["stock.adjusted"]), limit=limit)
        assert (
            run_replay(stage.dead, stage.main, plan, clock=stage.clock).counts.get(ReplayOutcome.REPLAYED, 0)
            == limit
        )
    assert len(stage.main.messages) == 207
    assert stage.dead.depth().visible == 93


def test_a_run_out_of_time_says_so() -> None:
    """Asked before each page, a run that has no more time ends, tells it, and hides nothing."""
    stage = QueuePair(*(letter(number) for number in range(300)))
    turns = iter([True, False])
    plan = Plan(selector=Selector.all())
    summary = run_replay(stage.dead, stage.main, plan, in_time=lambda: next(turns), clock=stage.clock)
    assert summary.stopped == "OutOfTime"
    assert 0 < len(stage.main.messages) < 300
    assert len(stage.main.messages) + stage.dead.depth().visible == 300


def test_an_edit_that_is_refused_stops_nobody() -> None:
    """What cannot be edited stays a dead letter with the reason told; the others go, changed."""

    def edit(body: str) -> str:
        if id_of(1) in body:
            raise EditRefused("data.delta: too small")
        return body.replace('"delta": 1', '"delta": 2')

    stage = QueuePair(letter(1), letter(2))
    plan = Plan(selector=Selector.all(), edit=edit)
    run_replay(stage.dead, stage.main, plan, on_result=stage.results.append, clock=stage.clock)
    assert [(r.outcome, r.code, r.detail) for r in stage.results if r.code] == [
        (ReplayOutcome.NOT_SENT, "EditRefused", "data.delta: too small")
    ]
    assert [body["data"] for body in stage.main.bodies] == [{"delta": 2}]
    assert ids_on(stage.dead) == {id_of(1)}


@pytest.mark.parametrize("rate", [0.5, 3.0, 40.0, 2000.0])
@given(counts=st.lists(st.integers(1, 200), max_size=20))
def test_a_pace_is_kept(rate: float, counts: list[int]) -> None:
    """Whatever sizes go, no more than the rate allows have gone at any moment, give or take one slice."""
    clock = ManualClock()
    began = clock()
    pace = RateLimiter(rate, clock, clock.advance)
    gone = 0
    for wanted in counts:
        size = pace.slice_size(wanted)
        pace.wait_for(size)
        assert gone <= rate * (clock() - began) * 1.01 + 0.01
        gone += size


def test_a_page_is_no_larger_than_its_leases_allow() -> None:
    """At a slow rate a page is small, so that it is done before its leases run out."""
    assert [RateLimiter(rate).page_size(160) for rate in (None, 100, 1, 0.01)] == [160, 160, 30, 1]
    with pytest.raises(ValueError, match="above 0"):
        RateLimiter(0)


def test_leases_of_many_pages_are_all_given_back() -> None:
    """What is held over hundreds of pages is visible again at the end, each counted as one receive."""
    stage = QueuePair(*(letter(number) for number in range(2000)))
    assert sum(1 for _ in scan(stage.dead, Selector.of(ids=[id_of(7)]))) == 1
    assert stage.dead.depth().visible == 2000
    assert {message.receive_count for message in stage.dead.receive(10)} == {2}


def test_leases_that_ran_out_keep_no_others_hidden() -> None:
    """In a look that outlasts its first leases the later ones are given back all the same."""
    stage = QueuePair(*(letter(number) for number in range(600)))
    with Leases(stage.dead, 100, clock=stage.clock) as leases:
        for number, _ in enumerate(leases.pages()):
            if number == 4:
                stage.clock.advance(60)
            if number == 5:
                stage.clock.advance(60)
                break
    assert stage.dead.depth().visible == 600


def test_a_receive_that_fails_beside_others_hides_nothing() -> None:
    """Where one of several receives fails the look ends with its error, and the others' leases are given back."""
    stage = QueuePair(*(letter(number) for number in range(100)))
    calls = count()

    def fail_the_sixth(call: str) -> None:
        if call == "receive" and next(calls) == 5:
            raise QueueError("away")

    with pytest.raises(QueueError, match="away"):
        list(scan(InterceptedQueue(stage.dead, fail_the_sixth), Selector.of(kinds=["x"])))
    assert stage.dead.depth().visible == 100


# Whatever happens


@settings(max_examples=300)
@given(count=st.integers(1, 24), plan=plans(), chosen=st.none() | st.sets(st.integers(0, 23), min_size=1))
def test_no_dead_letter_is_ever_lost(count: int, plan: list[str], chosen: set[int] | None) -> None:
    """Refused, late, stolen or cut off at any call: each is on one of the queues, and a second run finishes."""
    stage = QueuePair(*(letter(number) for number in range(count)))
    everyone = {id_of(number) for number in range(count)}
    selector = Selector.all() if chosen is None else Selector.of(ids=(id_of(number) for number in chosen))
    meant = everyone if chosen is None else everyone & selector.ids
    perils = FailurePlan(stage, plan)
    with suppress(RunKilled):
        run_replay(perils.wrap(stage.dead), perils.wrap(stage.main), Plan(selector=selector), clock=stage.clock)
    assert ids_on(stage.dead) | ids_on(stage.main) == everyone
    stage.clock.advance(AGES)
    stage.dead.accept()
    stage.main.accept()
    stage.replay(selector)
    assert ids_on(stage.dead) == everyone - meant
    assert ids_on(stage.main) == meant


@pytest.mark.parametrize("count", [-1_000_000, 0])
def test_a_forged_count_does_not_outwit_the_guard(count: int) -> None:
    """A sender cannot have a message replayed for ever by a stamp that no replay would have put on it."""
    forged = {REPLAY_ATTRIBUTE: Attribute(json.dumps({"count": count, "run": "x"}))}
    stage = QueuePair(replace(letter(0), attributes={**letter(0).attributes, **forged}))
    found = next(iter(scan(stage.dead)))
    assert (found.marker, found.replays) == (None, 0)


def test_a_slow_replay_reaches_what_is_behind_much_that_is_left() -> None:
    """What is not meant comes back while a slow run goes on, in front: the run goes past it to the end."""
    others = [Outgoing(envelope(number, type="email.requested")) for number in range(2000)]
    stage = QueuePair(*others, *(letter(number) for number in range(2000, 2400)))

    class Slow(MemoryQueue):
        def send(self, messages: Sequence[Outgoing], **more: Any) -> dict[int, Refusal]:
            stage.clock.advance(len(messages))
            return super().send(messages, **more)

    stage.main = Slow(stage.clock)
    summary = stage.replay(Selector.of(kinds=["stock.adjusted"]))
    assert (summary.counts.get(ReplayOutcome.REPLAYED), summary.seen) == (400, 2400)


def test_a_queue_that_lets_nothing_be_deleted_ends_the_run() -> None:
    """Without the permission to delete, a page is copied to the main queue, and not the whole queue."""
    stage = QueuePair(*(letter(number) for number in range(500)))
    stage.dead.refuse("AccessDenied", call="delete", calls=None, retryable=False)
    summary = stage.replay(Selector.all())
    assert summary.stopped == "AccessDenied"
    assert summary.counts[ReplayOutcome.NOT_DELETED] == stage.main.depth().total < 200
    assert stage.dead.depth().visible == 500
