"""SQS's own redrive: all dead letters back to the main queue, moved by SQS itself.

It takes no filter and no edit. Each message gets a new id and a new enqueue time, so that its retention begins
anew, and keeps its attributes: the letter stays on it, which the drain does not read. What is moved stays moved,
however the task ends (SQS API Reference, "StartMessageMoveTask", "CancelMessageMoveTask").

The main queue is always named as the destination. SQS knows where a message came from only if it has set it aside
itself, not if the drain has: without a destination the task would fail with CouldNotDetermineMessageSource (SQS
Developer Guide, "Troubleshooting DLQ redrive").
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

SLOWEST: Final = 1
FASTEST: Final = 500
"""Messages per second (SQS API Reference, "StartMessageMoveTask")."""

_OVER = {"COMPLETED", "CANCELLED", "FAILED"}
_PAUSE_SECONDS = 1.0
_LOOKS_FOR_A_START = 30
_NOT_OFFERED = {"UnsupportedOperation", "InvalidAction", "UnknownOperationException", "404", "501"}


class MoveError(Exception):
    """SQS refused, or cannot be asked; a task that had been started goes on by itself.

    Attributes:
        code: SQS's code, or the name of botocore's error.
    """

    def __init__(self, text: str, code: str) -> None:
        super().__init__(text)
        self.code = code


class MoveConflict(MoveError):
    """A task is under way: there can be one for each queue."""


class MoveNotOffered(MoveError):
    """There is no such operation here: the queue is no other's dead-letter queue, or the endpoint is not AWS."""


@dataclass(frozen=True, slots=True)
class Task:
    """A task, as SQS lists it.

    Attributes:
        status: `RUNNING`, `CANCELLING`, `CANCELLED`, `COMPLETED` or `FAILED`.
        started: when it was started, in milliseconds since the epoch.
        moved: about how many messages it has moved.
        to_move: how many there were at its start; None where SQS does not say yet.
        handle: what it is cancelled by; None unless it is running.
        failure: why it failed.
    """

    status: str
    started: int
    moved: int
    to_move: int | None = None
    handle: str | None = None
    failure: str | None = None

    @property
    def is_over(self) -> bool:
        """Whether nothing more is moved."""
        return self.status in _OVER


@dataclass(frozen=True, slots=True)
class Moved:
    """What a task did.

    Attributes:
        status: `COMPLETED`, `CANCELLED` or `FAILED`.
        moved: about how many messages are on the main queue now.
        to_move: how many there were at its start, where SQS says.
        failure: why it failed.
    """

    status: str
    moved: int
    to_move: int | None
    failure: str | None


class Moves(Protocol):
    """SQS's tasks that move messages; each method raises `MoveError` where SQS refuses or cannot be asked."""

    def start(self, dead_arn: str, main_arn: str, rate: int | None) -> None:
        """Start moving all messages, so many per second; None leaves the rate to SQS."""

    def latest(self, dead_arn: str) -> Task | None:
        """Return the task of this queue that was started last."""

    def cancel(self, handle: str) -> None:
        """Have a running task stop. What it has moved stays moved."""


def move(
    moves: Moves,
    dead_arn: str,
    main_arn: str,
    *,
    rate: int | None = None,
    on_progress: Callable[[Task], None] = lambda _: None,
    cancelled: Callable[[], bool] = lambda: False,
    pause: Callable[[], None] = lambda: time.sleep(_PAUSE_SECONDS),
) -> Moved:
    """Have SQS move all dead letters to the main queue, and follow it to the end.

    Whoever stops following, by an exception, does not stop the task.

    Args:
        moves: SQS.
        dead_arn: the dead-letter queue.
        main_arn: the queue that the drain reads.
        rate: messages per second, 1 to 500; None leaves it to SQS.
        on_progress: called with the task each time that it has been looked at.
        cancelled: asked after each look, until it says that the task is to stop.
        pause: waits between two looks.

    Returns:
        How it ended. To have been cancelled, or to have failed, is no exception.

    Raises:
        ValueError: the rate is out of bounds.
        MoveConflict: a task is under way on this queue; nothing was started.
        MoveNotOffered: there is no such operation here; nothing was started.
        MoveError: SQS refused or cannot be asked.
    """
    if rate is not None and not SLOWEST <= rate <= FASTEST:
        raise ValueError(f"SQS moves {SLOWEST} to {FASTEST} messages per second, not {rate}")
    before = _started(moves, dead_arn, main_arn, rate)
    try:
        task = _followed(moves, dead_arn, before, on_progress=on_progress, cancelled=cancelled, pause=pause)
    except MoveError as error:
        raise MoveError(f"{error}; the task goes on by itself", error.code) from error
    return Moved(task.status, task.moved, task.to_move, task.failure)


def _followed(
    moves: Moves,
    dead_arn: str,
    before: Task | None,
    *,
    on_progress: Callable[[Task], None],
    cancelled: Callable[[], bool],
    pause: Callable[[], None],
) -> Task:
    """Follow the task that was started to its end; the arguments are those of `move`."""
    stopping = False
    while not (task := _seen(moves, dead_arn, before, pause)).is_over:
        on_progress(task)
        if not stopping and cancelled():
            stopping = _stopped(moves, task)
        pause()
    on_progress(task)
    return task


def _started(moves: Moves, dead_arn: str, main_arn: str, rate: int | None) -> Task | None:
    """Start a task, and return the one that was there before it."""
    before = moves.latest(dead_arn)
    _refuse_beside(before)
    try:
        moves.start(dead_arn, main_arn, rate)
    except MoveError:
        # SQS has no code of its own for that somebody else was faster.
        _refuse_beside(moves.latest(dead_arn))
        raise
    return before


def _refuse_beside(task: Task | None) -> None:
    if task and not task.is_over:
        raise MoveConflict("SQS is moving these dead letters already: wait for it, or cancel that", task.status)


def _seen(moves: Moves, dead_arn: str, before: Task | None, pause: Callable[[], None]) -> Task:
    """Look at the task that was started, as soon as SQS lists it."""
    for _ in range(_LOOKS_FOR_A_START):
        task = moves.latest(dead_arn)
        if task and (before is None or task.started != before.started):
            return task
        pause()
    raise MoveError("SQS took the task and does not list it; look at the queue", "NotListed")


def _stopped(moves: Moves, task: Task) -> bool:
    """Cancel a task, if it is running; one that has ended meanwhile needs none."""
    if task.handle is None:
        return False
    try:
        moves.cancel(task.handle)
    except MoveError as error:
        return error.code == "ResourceNotFoundException"
    return True


class SqsMoves:
    """The tasks of SQS in earnest; see `Moves`."""

    def __init__(self, client: "SQSClient") -> None:
        """Take a client, as `penstock.queue.sqs_client` makes it."""
        self._client = client

    def start(self, dead_arn: str, main_arn: str, rate: int | None) -> None:
        """Start (SQS: StartMessageMoveTask)."""
        limit: Any = {} if rate is None else {"MaxNumberOfMessagesPerSecond": rate}
        with _told():
            self._client.start_message_move_task(SourceArn=dead_arn, DestinationArn=main_arn, **limit)

    def latest(self, dead_arn: str) -> Task | None:
        """Look (SQS: ListMessageMoveTasks)."""
        with _told():
            found = self._client.list_message_move_tasks(SourceArn=dead_arn, MaxResults=1)
        tasks: list[Any] = list(found.get("Results", []))
        return _task(tasks[0]) if tasks else None

    def cancel(self, handle: str) -> None:
        """Stop (SQS: CancelMessageMoveTask)."""
        with _told():
            self._client.cancel_message_move_task(TaskHandle=handle)


def _task(entry: Any) -> Task:
    return Task(
        status=entry["Status"],
        started=entry.get("StartedTimestamp", 0),
        moved=entry.get("ApproximateNumberOfMessagesMoved", 0),
        to_move=entry.get("ApproximateNumberOfMessagesToMove"),
        handle=entry.get("TaskHandle"),
        failure=entry.get("FailureReason"),
    )


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        raise _refused(error.response) from error
    except BotoCoreError as error:
        raise MoveError(f"SQS cannot be asked: {type(error).__name__}", type(error).__name__) from error


def _refused(answer: Any) -> MoveError:
    """Say why SQS refused; its codes come with and without a prefix ("AWS.SimpleQueueService")."""
    code = str(answer.get("Error", {}).get("Code", "Unknown")).split(".")[-1]
    text = answer.get("Error", {}).get("Message") or "no reason given"
    if code in _NOT_OFFERED:
        return MoveNotOffered(f"SQS does not move messages from this queue ({code}): {text}", code)
    return MoveError(f"SQS refused ({code}): {text}", code)
