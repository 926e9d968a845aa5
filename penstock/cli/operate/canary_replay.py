"""A replay as a screen runs it: a canary, then the rest or not, with its progress, and on record."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Engine

from penstock.cli.operate.replay import RecordedReplay
from penstock.database.operations import INTERRUPTED, Operation, recorded
from penstock.deadletters import Plan, Replayed, Summary
from penstock.deadletters.replay.canary import Canary
from penstock.queue import Queue


class Phase(StrEnum):
    """What a replay does."""

    CANARY = "canary"
    """It sends the canary."""
    WAITING = "waiting"
    """It waits for the outcomes of the canary."""
    REST = "rest"
    """It sends the rest."""
    DONE = "done"
    """It is over."""


@dataclass(frozen=True, slots=True)
class Progress:
    """A replay at one moment.

    Attributes:
        operation: the id of its record.
        phase: what it does.
        read: how many messages were read, selected or not.
        total: about how many messages there are to read.
        counts: the number of dead letters by outcome.
        canary: the number of canaries by their outcome in the ledger; None if they are not known yet.
        stopped: why it ended early: SQS's error code, or `OutOfTime` after a request to stop.
    """

    operation: UUID
    phase: Phase
    read: int
    total: int
    counts: Mapping[str, int]
    canary: Mapping[str, int] | None = None
    stopped: str | None = None


@dataclass(frozen=True, slots=True)
class CanaryReplay:
    """What to replay.

    Attributes:
        plan: which dead letters, and how.
        canary: how many of them are sent first.
        rest: whether the others are sent once the canary has taken effect.
        seconds: the longest wait for the outcomes of the canary.
        options: what the record says besides the selection, such as the text of an edit.
    """

    plan: Plan
    canary: int
    rest: bool
    seconds: float = 60.0
    options: Mapping[str, Any] | None = None

    def describe(self) -> dict[str, Any]:
        """Return the replay as JSON values, for its record."""
        selection = self.plan.selector.describe()
        return selection | {"canary": self.canary, "rest": self.rest} | dict(self.options or {})


def run_canary_replay(
    dead: Queue,
    main: Queue,
    engine: Engine,
    actor: str,
    wanted: CanaryReplay,
    *,
    on_progress: Callable[[Progress], None],
    stopping: Callable[[float], bool],
) -> Progress:
    """Replay dead letters: the canary, and the rest if it was asked for and every canary took effect.

    Args:
        dead: the dead-letter queue.
        main: the queue that the drain reads.
        engine: the database of the ledger and the records.
        actor: the operator.
        wanted: what to replay.
        on_progress: called with each change.
        stopping: waits up to this many seconds for a request to stop, and returns whether there is one. A canary
            that was sent stays sent.

    Returns:
        How it ended.

    Raises:
        Failure: a canary did not take effect, or its outcome cannot be read; the rest was not sent.
        sqlalchemy.exc.SQLAlchemyError: the record cannot be made, or the ledger not be read; nothing was sent.
        penstock.queue.QueueError: the dead-letter queue cannot be read.
    """
    with recorded(engine, "replay", actor, wanted.describe()) as operation:
        # Made before anything is sent: it reads the time from which on an outcome counts.
        canary = Canary(engine, sleep=lambda seconds: _wait(seconds, stopping))
        return _Run(dead, main, operation, wanted, on_progress=on_progress, stopping=stopping).run(canary)


class _Stopped(Exception):
    """The operator asked to stop while the replay waited for its canary."""


def _wait(seconds: float, stopping: Callable[[float], bool]) -> None:
    if stopping(seconds):
        raise _Stopped


class _Run:
    """The steps of one replay, and its progress."""

    def __init__(
        self,
        dead: Queue,
        main: Queue,
        operation: Operation,
        wanted: CanaryReplay,
        *,
        on_progress: Callable[[Progress], None],
        stopping: Callable[[float], bool],
    ) -> None:
        self._wanted = wanted
        self._operation = operation
        self._on_progress = on_progress
        self._replay = RecordedReplay(
            dead, main, operation, on_result=self._count, go_on=lambda: not stopping(0.0)
        )
        total = dead.depth().total
        self._progress = Progress(operation.id, Phase.CANARY, 0, total, {})

    def run(self, canary: Canary) -> Progress:
        """Replay, and return how it ended."""
        wanted = self._wanted
        self._change()
        summary = self._replay.send_canary(wanted.plan, wanted.canary, canary, self._read)
        try:
            if summary.stopped is None:
                self._change(phase=Phase.WAITING)
                self._change(canary=dict(self._replay.wait_for_canary(wanted.seconds)))
                if wanted.rest:
                    self._change(phase=Phase.REST)
                    summary = self._replay.send_rest(wanted.plan, self._read)
        except _Stopped:
            summary = replace(summary, stopped="OutOfTime")
        return self._end(summary)

    def _end(self, summary: Summary) -> Progress:
        if summary.stopped == "OutOfTime":
            self._operation.outcome = INTERRUPTED
        self._change(phase=Phase.DONE, stopped=summary.stopped)
        return self._progress

    def _count(self, one: Replayed) -> None:
        counts = dict(self._progress.counts)
        counts[one.outcome] = counts.get(one.outcome, 0) + 1
        self._change(counts=counts)

    def _read(self, messages: int) -> None:
        self._change(read=self._progress.read + messages)

    def _change(self, **changed: Any) -> None:
        self._progress = replace(self._progress, **changed)
        self._on_progress(self._progress)
