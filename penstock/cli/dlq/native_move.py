"""`penstock dlq replay --native`: SQS itself moves all dead letters, and is followed."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from types import FrameType

from penstock.cli.dlq.messages import progress, tell
from penstock.cli.support.errors import CONFLICT, FAILED, INTERRUPTED, USAGE, Failure
from penstock.cli.support.output import print_line
from penstock.cli.support.stage import Stage
from penstock.database import operations
from penstock.database.operations import Operation
from penstock.deadletters.replay.move_tasks import MoveConflict, MoveNotOffered, MoveTask, SqsMoveTasks
from penstock.deadletters.replay.native_move import MAX_RATE, MIN_RATE, Moved, move
from penstock.queue import sqs_client


def whole_rate(rate: float | None) -> int | None:
    """Return a rate as SQS takes it.

    Raises:
        Failure: it takes no such rate.
    """
    if rate is None or (rate.is_integer() and MIN_RATE <= rate <= MAX_RATE):
        return None if rate is None else int(rate)
    raise Failure(f"--native: SQS moves {MIN_RATE} to {MAX_RATE} messages per second, in whole numbers", USAGE)


def move_natively(stage: Stage, rate: int | None, operation: Operation, *, as_json: bool) -> None:
    """Have SQS move all dead letters, and follow it to the end; Ctrl-C cancels it.

    Raises:
        Failure: SQS is at it already, does not offer it, failed, or was stopped.
        MoveError: SQS refused or cannot be asked.
    """
    main, dead = stage.outputs("QueueArn", "DeadLetterQueueArn")
    moves = SqsMoveTasks(sqs_client(stage.session, stage.endpoint_url))
    with progress("moving", 0) as advance, _interruptions() as interrupted:
        follow = _Follower(operation, advance)
        try:
            done = move(moves, dead, main, rate=rate, on_progress=follow, cancelled=interrupted)
        except MoveConflict as error:
            raise Failure(str(error), CONFLICT) from error
        except MoveNotOffered as error:
            raise Failure(f"{error}\nWithout --native, `penstock dlq replay` sends them itself") from error
    print_line(asdict(done) if as_json else asdict(done).values(), as_json=as_json)
    _end(done, operation)


class _Follower:
    """Keeps the bar and the record up to date."""

    def __init__(self, operation: Operation, advance: Callable[[int], None]) -> None:
        self._operation = operation
        self._advance = advance
        self._moved = 0

    def __call__(self, task: MoveTask) -> None:
        self._advance(task.moved - self._moved)
        self._moved = task.moved
        self._operation.counts = {"moved": task.moved}


@contextmanager
def _interruptions() -> Iterator[Callable[[], bool]]:
    """Give what tells whether Ctrl-C was pressed; pressed again, it ends the command, and SQS goes on."""
    pressed = False

    def on_interrupt(_number: int, _frame: FrameType | None) -> None:
        nonlocal pressed
        if pressed:
            raise KeyboardInterrupt
        pressed = True
        tell("cancelling; what has been moved stays moved. Press again to leave, and SQS to go on.")

    before = signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield lambda: pressed
    finally:
        signal.signal(signal.SIGINT, before)


def _end(done: Moved, operation: Operation) -> None:
    """Say how it ended.

    Raises:
        Failure: SQS failed, or was stopped.
    """
    if done.status == "COMPLETED":
        return
    operation.outcome = operations.INTERRUPTED if done.status == "CANCELLED" else operations.FAILED
    why = f": {done.failure}" if done.failure else ""
    code = INTERRUPTED if done.status == "CANCELLED" else FAILED
    raise Failure(f"{done.status.lower()} after about {done.moved} messages{why}. Run it again to go on", code)
