"""Dead letters: looking changes nothing, and replaying loses nothing, whatever happens on the way."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any, TypeVar
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.consumer.faults import Cause, DataFault
from penstock.consumer.letter import DeadLetter
from penstock.deadletters import (
    LEASE_LOST,
    Everything,
    Found,
    Ids,
    Outcome,
    Replayed,
    Selector,
    Summary,
    look,
    replay,
)
from penstock.queue import Attribute, Depth, Outgoing, Queue, QueueError, Received, Refusal
from penstock.testing.clock import ManualClock
from penstock.testing.queue import Call, MemoryQueue

T = TypeVar("T")

AGES = 100_000
SENDERS = {"type": Attribute("stock.adjusted"), "trace": Attribute("t")}


def id_of(number: int) -> str:
    """Return the id of the intent of that number."""
    return str(UUID(int=number))


def envelope(number: int, **more: Any) -> str:
    """Write the envelope of the intent of that number."""
    head = {"specversion": "1.0", "id": id_of(number), "type": "stock.adjusted", "data": {"delta": 1}}
    return json.dumps(head | more)


def letter(number: int, **more: Any) -> Outgoing:
    """Write the dead letter of the intent of that number."""
    fault = DataFault(Cause("CheckViolation", sqlstate="23514", constraint="stock_quantity_check"))
    dead = DeadLetter.of(
        fault,
        kind="stock.adjusted",
        id=id_of(number),
        receive_count=1,
        first_seen=None,
        function_version=None,
    )
    return dead.stamp(Outgoing(envelope(number, **more), SENDERS, group="tenant"))


class Stage:
    """A dead-letter queue and a main queue on one clock."""

    def __init__(self, *messages: Outgoing) -> None:
        self.clock = ManualClock()
        self.dead, self.main = MemoryQueue(self.clock), MemoryQueue(self.clock)
        assert self.dead.send(messages) == {}
        self.results: list[Replayed] = []

    def replay(self, selector: Selector, dead: Queue | None = None) -> Summary:
        """Replay, and keep the results."""
        return replay(dead or self.dead, self.main, selector, on_result=self.results.append, clock=self.clock)

    @property
    def outcomes(self) -> list[tuple[Outcome, str | None]]:
        """What became of each, in order."""
        return [(result.outcome, result.code) for result in self.results]


def ids_on(queue: MemoryQueue) -> set[str]:
    """Return the intents' ids on a queue."""
    return {body["id"] for body in queue.bodies}


# Looking


def test_a_look_sees_each_once_and_gives_all_back() -> None:
    """Every message is shown once, counted as received once, and visible again afterwards."""
    stage = Stage(*(letter(number) for number in range(25)))
    found = list(look(stage.dead, 100))
    assert sorted(one.id or "" for one in found) == sorted(id_of(number) for number in range(25))
    assert stage.dead.depth().visible == 25
    assert {m.receive_count for m in stage.dead.receive(10)} == {2}


def test_a_look_is_bounded() -> None:
    """No more are shown than asked for, and those received beyond that are given back too."""
    stage = Stage(*(letter(number) for number in range(25)))
    assert len(list(look(stage.dead, 12))) == 12
    assert stage.dead.depth().visible == 25


def test_a_look_that_is_broken_off_gives_back() -> None:
    """Closing the generator early releases what it held."""
    stage = Stage(*(letter(number) for number in range(3)))
    looking = look(stage.dead, 100)
    next(looking)
    assert stage.dead.depth().visible == 0
    looking.close()
    assert stage.dead.depth().visible == 3


def test_a_message_delivered_twice_is_shown_once() -> None:
    """A lease that runs out during a look shows nothing a second time, and the look still ends."""
    stage = Stage(*(letter(number) for number in range(15)))
    looking = look(stage.dead, 100)
    first = [next(looking) for _ in range(10)]
    stage.clock.advance(AGES)
    assert len({one.message.message_id for one in [*first, *looking]}) == 15


def test_a_look_at_an_unreadable_queue_says_so() -> None:
    """The queue's own error comes through."""
    stage = Stage()
    stage.dead.refuse("AccessDenied", call="receive")
    with pytest.raises(QueueError, match="AccessDenied"):
        list(look(stage.dead, 1))


def found(message: Outgoing) -> Found:
    """Find one message on a queue of its own."""
    (one,) = look(Stage(message).dead, 1)
    return one


def test_a_letter_is_read() -> None:
    """Fault, kind and id are those of the letter and the envelope."""
    one = found(letter(7))
    assert one.letter
    assert (one.id, one.kind, one.letter.fault) == (id_of(7), "stock.adjusted", "DataFault")
    assert one.letter.detail == "CheckViolation: sqlstate 23514, constraint stock_quantity_check"
    assert not one.is_foreign


def test_an_envelope_that_sqs_moved_is_known() -> None:
    """Without a letter, an envelope still has its id and kind."""
    one = found(Outgoing(envelope(7)))
    assert (one.id, one.kind, one.letter, one.is_foreign) == (id_of(7), "stock.adjusted", None, False)


@pytest.mark.parametrize(
    "body", ["hello", "[1]", "1", '{"id": "1"}', '{"specversion": 1, "id": 1, "type": 1}', "[" * 100_000, "{"]
)
def test_another_programs_message_is_foreign(body: str) -> None:
    """What is neither envelope nor letter is listed as such, however strange."""
    one = found(Outgoing(body, {"penstock.dead-letter": Attribute("not json")}))
    assert (one.is_foreign, one.id, one.kind) == (True, None, None)


def test_a_letter_of_an_unreadable_body_is_ours() -> None:
    """A body that was not JSON got a letter from the drain, without an id."""
    dead = DeadLetter(fault="DataFault", reason="not-json", detail="not-json")
    one = found(dead.stamp(Outgoing("{")))
    assert (one.is_foreign, one.id) == (False, None)


# Replaying


def test_a_replay_moves_all_as_they_were_sent() -> None:
    """Every dead letter is on the main queue, with its sender's attributes and group and without the letter."""
    stage = Stage(*(letter(number) for number in range(25)))
    summary = stage.replay(Everything())
    assert summary == Summary(25, {Outcome.REPLAYED: 25}, frozenset(), None)
    assert stage.dead.messages == []
    expected = [Outgoing(envelope(number), SENDERS, "tenant") for number in range(25)]
    assert stage.main.messages == expected


def test_the_selected_alone_are_replayed() -> None:
    """By an intent's id or a message's id; the others are visible again at once."""
    stage = Stage(*(letter(number) for number in range(25)))
    message_id = next(one.message.message_id for one in look(stage.dead, 25) if one.id == id_of(20))
    summary = stage.replay(Ids.of([id_of(3).upper(), message_id]))
    assert (summary.counts, summary.missing) == ({Outcome.REPLAYED: 2}, frozenset())
    assert ids_on(stage.main) == {id_of(3), id_of(20)}
    assert stage.dead.depth().visible == 23


def test_every_copy_of_a_selected_intent_is_seen() -> None:
    """Of two dead letters of one intent the first is replayed and the other is left for another run."""
    stage = Stage(letter(1), letter(1), letter(2))
    summary = stage.replay(Ids.of([id_of(1)]))
    assert summary.counts == {Outcome.REPLAYED: 1, Outcome.LEFT: 1}
    assert [body["id"] for body in stage.dead.bodies] == [id_of(1), id_of(2)]


def test_a_selector_without_a_match_does_nothing() -> None:
    """An id that is not there is named, and no message moves."""
    stage = Stage(letter(1))
    summary = stage.replay(Ids.of(["nobody"]))
    assert summary == Summary(1, {}, frozenset({"nobody"}), None)
    assert (len(stage.dead.messages), stage.main.messages) == (1, [])


@pytest.mark.parametrize("ids", [[], [""], [id_of(1), " "]])
def test_a_selector_without_an_id_is_a_mistake(ids: list[str]) -> None:
    """No id, or a blank one, selects nothing by being refused."""
    with pytest.raises(ValueError, match="an id is needed"):
        Ids.of(ids)


def test_another_programs_message_needs_its_own_id() -> None:
    """An id inside a foreign text means nothing; the message's id, or all, replays it untouched."""
    foreign = Outgoing('{"id": "1", "a": 2}', {"x": Attribute("y")})
    stage = Stage(foreign)
    assert stage.replay(Ids.of(["1"])).missing == {"1"}
    (one,) = look(stage.dead, 1)
    assert stage.replay(Ids.of([one.message.message_id])).counts == {Outcome.REPLAYED: 1}
    assert stage.main.messages == [foreign]


def test_one_refused_message_stops_nobody() -> None:
    """What cannot be sent stays a dead letter, with SQS's reason told, and the others go."""
    stage = Stage(*(letter(number) for number in range(15)))
    stage.main.refuse("InternalError", positions={4})
    summary = stage.replay(Everything())
    assert summary.counts == {Outcome.NOT_SENT: 1, Outcome.REPLAYED: 14}
    assert (Outcome.NOT_SENT, "InternalError") in stage.outcomes
    assert (summary.failed, summary.stopped) == (1, None)
    assert ids_on(stage.dead) == {id_of(4)}
    assert stage.dead.depth().visible == 1


def test_a_queue_that_refuses_everything_ends_the_run() -> None:
    """After thirty refusals in a row the run gives up and says why; nothing is lost or hidden."""
    stage = Stage(*(letter(number) for number in range(100)))
    stage.main.refuse("AccessDenied", calls=None, retryable=False)
    summary = stage.replay(Everything())
    assert (summary.counts, summary.stopped) == ({Outcome.NOT_SENT: 30}, "AccessDenied")
    assert stage.dead.depth().visible == 100


def test_a_refused_delete_is_told_and_harmless() -> None:
    """The message is on both queues, which the ledger makes safe, and the next run deletes it."""
    stage = Stage(letter(1), letter(2))
    stage.dead.refuse("InternalError", call="delete", positions={0})
    summary = stage.replay(Everything())
    assert summary.counts == {Outcome.NOT_DELETED: 1, Outcome.REPLAYED: 1}
    assert summary.failed == 1
    assert ids_on(stage.dead) == {id_of(1)}
    assert stage.replay(Everything()).counts == {Outcome.REPLAYED: 1}
    assert stage.dead.messages == []


class Meddled:
    """A queue with something happening before a receive returns or another queue sends."""

    fifo = False

    def __init__(self, queue: MemoryQueue, before: Callable[[str], None]) -> None:
        self._queue, self._before = queue, before

    def send(self, messages: Sequence[Outgoing], *, patience_seconds: float | None = None) -> dict[int, Refusal]:
        """Send."""
        self._before("send")
        return self._queue.send(messages, patience_seconds=patience_seconds)

    def receive(self, limit: int, *, wait_seconds: int = 0, visibility_seconds: int = 30) -> list[Received]:
        """Receive."""
        self._before("receive")
        return self._queue.receive(limit, wait_seconds=wait_seconds, visibility_seconds=visibility_seconds)

    def delete(
        self, receipt_handles: Sequence[str], *, patience_seconds: float | None = None
    ) -> dict[int, Refusal]:
        """Delete."""
        self._before("delete")
        return self._queue.delete(receipt_handles, patience_seconds=patience_seconds)

    def change_visibility(
        self, leases: Sequence[tuple[str, int]], *, patience_seconds: float | None = None
    ) -> dict[int, Refusal]:
        """Change."""
        self._before("change_visibility")
        return self._queue.change_visibility(leases, patience_seconds=patience_seconds)

    def depth(self) -> Depth:
        """Count."""
        return self._queue.depth()


def test_a_lease_lost_during_the_sending_deletes_nothing() -> None:
    """When sending outlasts the lease, nothing is deleted under another receiver's feet, and that is told."""
    stage = Stage(letter(1))
    late = Meddled(stage.main, lambda _call: stage.clock.advance(AGES))
    replay(stage.dead, late, Everything(), on_result=stage.results.append, clock=stage.clock)
    assert stage.outcomes[0] == (Outcome.NOT_DELETED, LEASE_LOST)
    assert (ids_on(stage.dead), ids_on(stage.main)) == ({id_of(1)}, {id_of(1)})


def test_a_run_ends_although_its_letters_come_back() -> None:
    """A message that the drain sets aside again during the run is left there, not replayed for ever."""
    stage = Stage(*(letter(number) for number in range(12)))

    def set_aside_again(call: str) -> None:
        if call == "receive":
            taken = stage.main.receive(10)
            stage.dead.send([Outgoing(m.body, m.attributes, m.group) for m in taken])
            stage.main.delete([m.receipt_handle for m in taken])

    summary = stage.replay(Everything(), Meddled(stage.dead, set_aside_again))
    assert summary.counts[Outcome.REPLAYED] == 12
    assert summary.counts[Outcome.LEFT] == 12
    assert ids_on(stage.dead) == {id_of(number) for number in range(12)}


def test_equal_texts_of_other_programs_are_told_apart_by_attributes() -> None:
    """Two foreign messages with one text but other attributes are both replayed."""
    stage = Stage(Outgoing("x", {"a": Attribute("1")}), Outgoing("x", {"a": Attribute("2")}))
    assert stage.replay(Everything()).counts == {Outcome.REPLAYED: 2}


# Whatever happens


class Cut(BaseException):
    """The run is cut off, as by kill -9: no call of it reaches a queue any more."""


class Perils:
    """What happens to each call in turn; after the last of them, nothing more."""

    def __init__(self, stage: Stage, plan: list[str]) -> None:
        self._stage = stage
        self._plan: Iterator[str] = iter(plan)
        self._dead = False

    def before(self, queue: MemoryQueue, call: Call) -> bool:
        """Let the next peril happen; tell whether the run is to be cut once the call is done."""
        if self._dead:
            raise Cut
        peril = next(self._plan, "none")
        if peril == "lapse":
            self._stage.clock.advance(AGES)
        elif peril == "steal":
            self._stage.clock.advance(AGES)
            self._stage.dead.receive(10, visibility_seconds=0)
        elif peril.startswith("refuse") and call != "receive":
            positions = None if peril == "refuse all" else {0, 3, 4}
            queue.refuse("InternalError", call=call, positions=positions)
        self._dead = peril in {"cut before", "cut after"}
        if peril == "cut before":
            raise Cut
        return self._dead

    def meddle(self, queue: MemoryQueue) -> Queue:
        """Put a queue in peril."""
        return Endangered(queue, self)


class Endangered(Meddled):
    """A queue whose calls may also be cut off after they have taken effect."""

    def __init__(self, queue: MemoryQueue, perils: Perils) -> None:
        super().__init__(queue, lambda _call: None)
        self._perils = perils

    def send(self, messages: Sequence[Outgoing], *, patience_seconds: float | None = None) -> dict[int, Refusal]:
        """Send in peril."""
        return self._endangered("send", lambda: self._queue.send(messages, patience_seconds=patience_seconds))

    def delete(
        self, receipt_handles: Sequence[str], *, patience_seconds: float | None = None
    ) -> dict[int, Refusal]:
        """Delete in peril."""
        return self._endangered(
            "delete", lambda: self._queue.delete(receipt_handles, patience_seconds=patience_seconds)
        )

    def change_visibility(
        self, leases: Sequence[tuple[str, int]], *, patience_seconds: float | None = None
    ) -> dict[int, Refusal]:
        """Change in peril."""
        return self._endangered(
            "change_visibility", lambda: self._queue.change_visibility(leases, patience_seconds=patience_seconds)
        )

    def receive(self, limit: int, *, wait_seconds: int = 0, visibility_seconds: int = 30) -> list[Received]:
        """Receive in peril."""
        return self._endangered(
            "receive",
            lambda: self._queue.receive(limit, wait_seconds=wait_seconds, visibility_seconds=visibility_seconds),
        )

    def _endangered(self, call: Call, do: Callable[[], T]) -> T:
        cut = self._perils.before(self._queue, call)
        result = do()
        if cut:
            raise Cut
        return result


@st.composite
def plans(draw: st.DrawFn) -> list[str]:
    """Plan what happens to each call, and perhaps where the run is cut."""
    perils = st.sampled_from(["none", "refuse some", "refuse all", "lapse", "steal"])
    plan = draw(st.lists(perils, min_size=8, max_size=16))
    cut = draw(st.none() | st.sampled_from(["cut before", "cut after"]))
    return plan if cut is None else [*plan[: draw(st.integers(0, len(plan)))], cut]


@settings(max_examples=300)
@given(count=st.integers(1, 24), plan=plans(), chosen=st.none() | st.sets(st.integers(0, 23), min_size=1))
def test_no_dead_letter_is_ever_lost(count: int, plan: list[str], chosen: set[int] | None) -> None:
    """Refused, late, stolen or cut off at any call: each is on one of the queues, and a second run finishes."""
    stage = Stage(*(letter(number) for number in range(count)))
    everyone = {id_of(number) for number in range(count)}
    selector = Everything() if chosen is None else Ids.of(id_of(number) for number in chosen)
    meant = everyone if chosen is None else everyone & selector.asked
    perils = Perils(stage, plan)
    with suppress(Cut):
        replay(perils.meddle(stage.dead), perils.meddle(stage.main), selector, clock=stage.clock)
    assert ids_on(stage.dead) | ids_on(stage.main) == everyone
    stage.clock.advance(AGES)
    stage.dead.accept()
    stage.main.accept()
    stage.replay(selector)
    assert ids_on(stage.dead) == everyone - meant
    assert ids_on(stage.main) == meant
