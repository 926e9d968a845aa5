"""Queues with dead letters, and failures of a run over them."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
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

AGES = 50_000
"""Longer than any lease, in seconds; a plan of failures has up to sixteen of them within the retention."""

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


class QueuePair:
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
        """The outcome of each, in order."""
        return [(result.outcome, result.code) for result in self.results]


def ids_on(queue: MemoryQueue) -> set[str]:
    """Return the intents' ids on a queue."""
    return {body["id"] for body in queue.bodies}


class InterceptedQueue:
    """A queue that calls a function before each call."""

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

    def now(self) -> float:
        """Read the clock."""
        return self._queue.now()

    def retention_seconds(self) -> int:
        """Read how long messages are kept."""
        return self._queue.retention_seconds()

    def depth(self) -> Depth:
        """Count."""
        return self._queue.depth()


class RunKilled(BaseException):
    """The run is killed, as by kill -9: no further call reaches a queue."""


class FailurePlan:
    """The failure of each call in turn; the calls after the last of them succeed."""

    def __init__(self, queues: QueuePair, plan: list[str]) -> None:
        self._queues = queues
        self._plan: Iterator[str] = iter(plan)
        self._dead = False

    def before(self, queue: MemoryQueue, call: Call) -> bool:
        """Cause the next failure; return whether the run is killed after the call."""
        if self._dead:
            raise RunKilled
        failure = next(self._plan, "none")
        if failure == "lapse":
            self._queues.clock.advance(AGES)
        elif failure == "steal":
            self._queues.clock.advance(AGES)
            self._queues.dead.receive(10, visibility_seconds=0)
        elif failure.startswith("refuse") and call != "receive":
            positions = None if failure == "refuse all" else {0, 3, 4}
            queue.refuse("InternalError", call=call, positions=positions)
        self._dead = failure in {"cut before", "cut after"}
        if failure == "cut before":
            raise RunKilled
        return self._dead

    def wrap(self, queue: MemoryQueue) -> Queue:
        """Return the queue with these failures."""
        return FailingQueue(queue, self)


class FailingQueue(InterceptedQueue):
    """A queue whose calls may also be cut off after they have taken effect."""

    def __init__(self, queue: MemoryQueue, failures: FailurePlan) -> None:
        super().__init__(queue, lambda _call: None)
        self._failures = failures

    def send(self, messages: Sequence[Outgoing], *, timeout_seconds: float | None = None) -> dict[int, Refusal]:
        """Send, with a failure."""
        return self._fail_around("send", lambda: self._queue.send(messages, timeout_seconds=timeout_seconds))

    def delete(
        self, receipt_handles: Sequence[str], *, timeout_seconds: float | None = None
    ) -> dict[int, Refusal]:
        """Delete, with a failure."""
        return self._fail_around(
            "delete", lambda: self._queue.delete(receipt_handles, timeout_seconds=timeout_seconds)
        )

    def change_visibility(
        self, leases: Sequence[tuple[str, int]], *, timeout_seconds: float | None = None
    ) -> dict[int, Refusal]:
        """Change, with a failure."""
        return self._fail_around(
            "change_visibility", lambda: self._queue.change_visibility(leases, timeout_seconds=timeout_seconds)
        )

    def receive(self, limit: int, *, wait_seconds: int = 0, visibility_seconds: int = 30) -> list[Received]:
        """Receive, with a failure."""
        return self._fail_around(
            "receive",
            lambda: self._queue.receive(limit, wait_seconds=wait_seconds, visibility_seconds=visibility_seconds),
        )

    def _fail_around(self, call: Call, do: Callable[[], T]) -> T:
        cut = self._failures.before(self._queue, call)
        result = do()
        if cut:
            raise RunKilled
        return result


@st.composite
def plans(draw: st.DrawFn) -> list[str]:
    """Return a failure for each call, and perhaps where the run is killed."""
    failures = st.sampled_from(["none", "refuse some", "refuse all", "lapse", "steal"])
    plan = draw(st.lists(failures, min_size=8, max_size=16))
    cut = draw(st.none() | st.sampled_from(["cut before", "cut after"]))
    return plan if cut is None else [*plan[: draw(st.integers(0, len(plan)))], cut]


def check_none_is_lost(
    queues: QueuePair,
    plan: list[str],
    selector: Selector,
    everyone: set[str],
    ids_on_queue: Callable[[MemoryQueue], set[str]] = ids_on,
) -> None:
    """Check that each is on one of the queues after a replay with failures, and that a second replay finishes."""
    meant = everyone & selector.ids if selector.ids else everyone
    perils = FailurePlan(queues, plan)
    with suppress(RunKilled):
        run_replay(perils.wrap(queues.dead), perils.wrap(queues.main), Plan(selector=selector), clock=queues.clock)
    assert ids_on_queue(queues.dead) | ids_on_queue(queues.main) == everyone
    queues.clock.advance(AGES)
    queues.dead.accept()
    queues.main.accept()
    queues.replay(selector)
    assert ids_on_queue(queues.dead) == everyone - meant
    assert ids_on_queue(queues.main) == meant
