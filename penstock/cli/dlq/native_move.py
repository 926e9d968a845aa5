"""`penstock dlq replay --native`: SQS itself moves all dead letters, and the command follows its task."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from types import FrameType

from penstock.cli.dlq.messages import progress_bar
from penstock.cli.support.errors import CONFLICT, FAILED, USAGE, Failure
from penstock.cli.support.output import echo_err, print_line
from penstock.cli.support.signals import ENDING_SIGNALS
from penstock.cli.support.stage import Stage
from penstock.database import operations
from penstock.database.operations import Operation
from penstock.deadletters.replay.move_tasks import MoveConflict, MoveNotOffered, MoveTask, SqsMoveTasks
from penstock.deadletters.replay.native_move import MAX_RATE, MIN_RATE, Moved, move
from penstock.queue import sqs_client


def parse_native_rate(rate: float | None) -> int | None:
    """Return a rate in messages per second as SQS accepts it.

    Raises:
        Failure: the rate is not a whole number, or is out of SQS's range.
    """
    if rate is None:
        return None
    if rate.is_integer() and MIN_RATE <= rate <= MAX_RATE:
        return int(rate)
    raise Failure(
        f"--rate: {rate:g} does not go with --native: "
        f"SQS accepts whole numbers from {MIN_RATE} to {MAX_RATE} messages per second",
        USAGE,
    )


def run_native_move(stage: Stage, rate: int | None, operation: Operation, *, as_json: bool) -> None:
    """Let SQS move all dead letters, and follow its task to the end; Ctrl-C cancels the task.

    Args:
        stage: the stage.
        rate: messages per second; None leaves the rate to SQS.
        operation: the record, whose counts and outcome are kept up to date.
        as_json: whether the result is printed as JSON.

    Raises:
        Failure: a task is running already, SQS does not offer the operation, or the task failed or was cancelled.
        MoveError: SQS refused the request or cannot be reached.
    """
    main, dead = stage.outputs("QueueArn", "DeadLetterQueueArn")
    moves = SqsMoveTasks(sqs_client(stage.session, stage.endpoint_url))
    moved = 0

    def on_progress(task: MoveTask) -> None:
        nonlocal moved
        advance(task.moved - moved)
        moved = task.moved
        operation.counts = {"moved": moved}

    with progress_bar("moving", 0) as advance, _first_signal() as signalled:
        try:
            done = move(moves, dead, main, rate=rate, on_progress=on_progress, cancelled=lambda: bool(signalled()))
        except MoveConflict as error:
            raise Failure(str(error), CONFLICT) from error
        except MoveNotOffered as error:
            hint = "Run it without --native: `penstock dlq replay` then sends the messages itself"
            raise Failure(f"{error}\n{hint}") from error
    print_line(asdict(done) if as_json else asdict(done).values(), as_json=as_json)
    _require_completed(done, operation, 128 + (signalled() or signal.SIGINT))


@contextmanager
def _first_signal() -> Iterator[Callable[[], int | None]]:
    """Yield a function that returns the number of the signal that came, if one did: Ctrl-C, SIGTERM or SIGHUP.

    A second Ctrl-C ends the command at once.
    """
    pressed: int | None = None

    def on_interrupt(number: int, _frame: FrameType | None) -> None:
        nonlocal pressed
        if pressed and number == signal.SIGINT:
            raise KeyboardInterrupt
        if not pressed:
            pressed = number
            echo_err(
                "Cancelling the task. Messages that were moved stay moved. "
                "Press Ctrl-C again to exit at once; SQS can then go on with the task."
            )

    before = {number: signal.signal(number, on_interrupt) for number in (signal.SIGINT, *ENDING_SIGNALS)}
    try:
        yield lambda: pressed
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _require_completed(done: Moved, operation: Operation, code: int) -> None:
    """Set the operation's outcome, and raise an error unless SQS has completed the task.

    Args:
        done: the result.
        operation: the record.
        code: the exit code if the task was cancelled.

    Raises:
        Failure: the task failed or was cancelled.
    """
    if done.status == "COMPLETED":
        return
    cancelled = done.status == "CANCELLED"
    operation.outcome = operations.INTERRUPTED if cancelled else operations.FAILED
    reason = f": {done.failure}" if done.failure else ""
    ended = f"the task {'was cancelled' if cancelled else 'failed'} after about {done.moved} messages{reason}"
    raise Failure(f"{ended}\nRun the command again to move the rest", code if cancelled else FAILED)
