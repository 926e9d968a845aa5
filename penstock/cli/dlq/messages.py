"""Progress and messages on stderr for the commands about dead letters."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from penstock.cli.support.output import echo_err
from penstock.deadletters import Selector
from penstock.deadletters.condition import Condition
from penstock.queue import Depth, Queue

_FIFO_REASON: Final = "they wait behind other messages of their message groups, and SQS does not return them."
_STANDARD_REASON: Final = (
    "other runs have leased them, or the limit of about 120,000 leased messages per queue is reached. "
    "`replay --all` and `purge --all` work page by page and do not reach this limit. "
    "Each message that leaves the queue makes room for another one."
)


class Bar:
    """A progress bar; a call advances it by a number of messages."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        """Take the bar of `rich`."""
        self._progress = progress
        self._task = task

    def __call__(self, count: int) -> None:
        """Advance the bar."""
        self._progress.advance(self._task, count)

    def hide(self) -> None:
        """Take the bar off the screen for good."""
        self._progress.stop()


@contextmanager
def progress_bar(label: str, total: int) -> Iterator[Bar]:
    """Show a progress bar on stderr if stderr is a terminal.

    Args:
        label: the text before the bar.
        total: the expected number of messages; 0 if it is unknown.

    Yields:
        The bar.
    """
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
        # Lines for the same terminal go above the bar. Those for a file or a pipe would go to stderr instead.
        redirect_stdout=sys.stdout.isatty(),
    ) as bar:
        yield Bar(bar, bar.add_task(label, total=total or None))


def report_unseen(queue: Queue, before: Depth, selector: Selector, *, seen: int, complete: bool) -> None:
    """Report the messages that a run could not read or could not evaluate.

    Args:
        queue: the dead-letter queue.
        before: its depth before the run leased any message.
        selector: the selector of the run.
        seen: the number of messages that were read.
        complete: whether the run tried to read the whole queue.
    """
    if before.in_flight:
        echo_err(
            f"About {before.in_flight} dead letters are leased by another run or by an interrupted one. "
            "They become visible again when their leases end."
        )
    elif not seen:
        echo_err("There are no dead letters.")
    if complete and seen < before.visible:
        reason = _FIFO_REASON if queue.fifo else _STANDARD_REASON
        echo_err(f"About {before.visible - seen} dead letters could not be read: {reason}")
    if isinstance(selector.where, Condition) and selector.where.failed:
        echo_err(
            f"--where could not be evaluated on {selector.where.failed} dead letters. They were not selected."
        )


def report_missing(missing: frozenset[str]) -> None:
    """Report each requested id that no dead letter has."""
    for one in sorted(missing):
        echo_err(f"no dead letter has the id {one}")


def format_dead_letters(count: int) -> str:
    """Return a number of dead letters as text, with the plural where it is needed."""
    return f"{count} dead letter{'s' * (count != 1)}"
