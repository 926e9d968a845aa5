"""SQS's own redrive: SQS moves all dead letters back to the main queue.

It accepts no selector and no edit. Each message gets a new id and a new enqueue time, so that its retention starts
again. It keeps its attributes, those of the `DeadLetter` too, which the drain does not read. Messages that have
been moved stay moved, however the task ends (SQS API Reference, "StartMessageMoveTask", "CancelMessageMoveTask").

The destination is always given. SQS knows the source queue of a message only if SQS itself has dead-lettered it,
not if the drain has: without a destination the task would fail with CouldNotDetermineMessageSource (SQS Developer
Guide, "Troubleshooting DLQ redrive").
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from penstock.deadletters.replay.move_tasks import MoveConflict, MoveError, MoveTask, MoveTasks

MIN_RATE: Final = 1
MAX_RATE: Final = 500
"""Messages per second (SQS API Reference, "StartMessageMoveTask")."""

_POLL_SECONDS = 1.0
_MAX_POLLS_FOR_START = 30


@dataclass(frozen=True, slots=True)
class Moved:
    """The result of a task.

    Attributes:
        status: `COMPLETED`, `CANCELLED` or `FAILED`.
        moved: how many messages it has moved to the main queue, approximately.
        to_move: how many there were at its start, if SQS reports it.
        failure: why it failed.
    """

    status: str
    moved: int
    to_move: int | None
    failure: str | None


def move(
    tasks: MoveTasks,
    dead_arn: str,
    main_arn: str,
    *,
    rate: int | None = None,
    on_progress: Callable[[MoveTask], None] = lambda _: None,
    cancelled: Callable[[], bool] = lambda: False,
    pause: Callable[[], None] = lambda: time.sleep(_POLL_SECONDS),
) -> Moved:
    """Let SQS move all dead letters to the main queue, and follow the task to its end.

    An exception during the following does not stop the task.

    Args:
        tasks: SQS's tasks.
        dead_arn: the dead-letter queue.
        main_arn: the queue that the drain reads.
        rate: messages per second, 1 to 500; None leaves it to SQS.
        on_progress: called with the task after each poll.
        cancelled: called after each poll; the task is cancelled when it returns True.
        pause: waits between two polls.

    Returns:
        How the task ended. That it was cancelled or failed is not an exception.

    Raises:
        ValueError: the rate is out of bounds.
        MoveConflict: a task is running on this queue already; nothing was started.
        MoveNotOffered: the operation is not available; nothing was started.
        MoveError: SQS refused a request, or cannot be reached.
    """
    if rate is not None and not MIN_RATE <= rate <= MAX_RATE:
        raise ValueError(f"SQS moves {MIN_RATE} to {MAX_RATE} messages per second, not {rate}")
    previous = _start(tasks, dead_arn, main_arn, rate)
    try:
        task = _follow(tasks, dead_arn, previous, on_progress=on_progress, cancelled=cancelled, pause=pause)
    except MoveError as error:
        raise MoveError(f"{error}; the task continues", error.code) from error
    return Moved(task.status, task.moved, task.to_move, task.failure)


def _start(tasks: MoveTasks, dead_arn: str, main_arn: str, rate: int | None) -> MoveTask | None:
    """Start a task, and return the latest one before it."""
    previous = tasks.latest(dead_arn)
    _refuse_running(previous)
    try:
        tasks.start(dead_arn, main_arn, rate)
    except MoveError:
        # SQS has no error code of its own for a task that another client has started in between.
        _refuse_running(tasks.latest(dead_arn))
        raise
    return previous


def _refuse_running(task: MoveTask | None) -> None:
    if task and not task.is_over:
        raise MoveConflict(
            "SQS is moving these dead letters already: wait for that task, or cancel it", task.status
        )


def _follow(
    tasks: MoveTasks,
    dead_arn: str,
    previous: MoveTask | None,
    *,
    on_progress: Callable[[MoveTask], None],
    cancelled: Callable[[], bool],
    pause: Callable[[], None],
) -> MoveTask:
    """Follow the task that was started to its end; the arguments are those of `move`."""
    is_cancelled = False
    while not (task := _poll(tasks, dead_arn, previous, pause)).is_over:
        on_progress(task)
        if not is_cancelled and cancelled():
            is_cancelled = _cancel(tasks, task)
        pause()
    on_progress(task)
    return task


def _poll(tasks: MoveTasks, dead_arn: str, previous: MoveTask | None, pause: Callable[[], None]) -> MoveTask:
    """Return the task that was started, as soon as SQS lists it."""
    for _ in range(_MAX_POLLS_FOR_START):
        task = tasks.latest(dead_arn)
        if task and (previous is None or task.started != previous.started):
            return task
        pause()
    raise MoveError("SQS accepted the task but does not list it; check the queue", "NotListed")


def _cancel(tasks: MoveTasks, task: MoveTask) -> bool:
    """Cancel a task if it is running; return whether no further attempt is needed."""
    if task.handle is None:
        return False
    try:
        tasks.cancel(task.handle)
    except MoveError as error:
        return error.code == "ResourceNotFoundException"
    return True
