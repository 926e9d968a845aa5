"""Queues with dead letters, and what can happen to a run over them."""

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar
from uuid import UUID

from hypothesis import strategies as st

from penstock.consumer.dead_letter import DeadLetter
from penstock.consumer.faults.tree import Cause, DataFault
from penstock.deadletters import (
    Plan,
    Replayed,
    ReplayOutcome,
    Selector,
    Summary,
)
from penstock.deadletters import (
    replay as run_replay,
)
from penstock.queue import Attribute, Depth, Outgoing, Queue, Received, Refusal
from penstock.testing.clock import ManualClock
from penstock.testing.injection import Call
from penstock.testing.queue import MemoryQueue

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
        return run_replay(
            dead or self.dead, self.main, Plan(selector=selector), on_result=self.results.append, clock=self.clock
        )

    @property
    def outcomes(self) -> list[tuple[ReplayOutcome, str | None]]:
        """What became of each, in order."""
        return [(result.outcome, result.code) for result in self.results]


def ids_on(queue: MemoryQueue) -> set[str]:
    """Return the intents' ids on a queue."""
    return {body["id"] for body in queue.bodies}


class Meddled:
    """A queue with something happening before a receive returns or another queue sends."""

    fifo = False

    def __init__(self, queue: MemoryQueue, before: Callable[[str], None]) -> None:
        self._queue, self._before = queue, before

    def send(self, messages: Sequence[Outgoing], *, timeout_seconds: float | None = None) -> dict[int, Refusal]:
        """Send."""
        self._before("send")
        return self._queue.send(messages, timeout_seconds=timeout_seconds)

    def receive(self, limit: int, *, wait_seconds: int = 0, visibility_seconds: int = 30) -> list[Received]:
        """Receive."""
        self._before("receive")
        return self._queue.receive(limit, wait_seconds=wait_seconds, visibility_seconds=visibility_seconds)

    def delete(
        self, receipt_handles: Sequence[str], *, timeout_seconds: float | None = None
    ) -> dict[int, Refusal]:
        """Delete."""
        self._before("delete")
        return self._queue.delete(receipt_handles, timeout_seconds=timeout_seconds)

    def change_visibility(
        self, leases: Sequence[tuple[str, int]], *, timeout_seconds: float | None = None
    ) -> dict[int, Refusal]:
        """Change."""
        self._before("change_visibility")
        return self._queue.change_visibility(leases, timeout_seconds=timeout_seconds)

    def depth(self) -> Depth:
        """Count."""
        return self._queue.depth()


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

    def send(self, messages: Sequence[Outgoing], *, timeout_seconds: float | None = None) -> dict[int, Refusal]:
        """Send in peril."""
        return self._endangered("send", lambda: self._queue.send(messages, timeout_seconds=timeout_seconds))

    def delete(
        self, receipt_handles: Sequence[str], *, timeout_seconds: float | None = None
    ) -> dict[int, Refusal]:
        """Delete in peril."""
        return self._endangered(
            "delete", lambda: self._queue.delete(receipt_handles, timeout_seconds=timeout_seconds)
        )

    def change_visibility(
        self, leases: Sequence[tuple[str, int]], *, timeout_seconds: float | None = None
    ) -> dict[int, Refusal]:
        """Change in peril."""
        return self._endangered(
            "change_visibility", lambda: self._queue.change_visibility(leases, timeout_seconds=timeout_seconds)
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
