"""What the commands about dead letters say on stderr."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from penstock.deadletters import Selector
from penstock.deadletters.condition import Condition
from penstock.queue import Depth, Queue


def tell(text: str) -> None:
    """Say something to whoever sits there."""
    typer.echo(text, err=True)


_FIFO_WHY: Final = "they wait behind others of their message groups, and SQS does not show them."
_WHY: Final = (
    "others have taken them, or SQS gives nothing more while some 120,000 are leased, be it by a look. "
    "`replay --all` and `purge --all` go page by page, without such a limit; "
    "whatever is taken away makes room for the rest."
)


@contextmanager
def progress(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show a bar on stderr, if that is a terminal; give what moves it on by so many messages."""
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    ) as bar:
        task = bar.add_task(what, total=total or None)
        yield lambda count: bar.advance(task, count)


def tell_unseen(queue: Queue, before: Depth, selector: Selector, *, seen: int, whole: bool) -> None:
    """Say what a run could not see.

    Args:
        queue: the dead-letter queue.
        before: its depth before the run leased anything itself.
        selector: what was looked for.
        seen: how many messages were looked at.
        whole: whether it would have looked at all of them.
    """
    if before.in_flight:
        tell(
            f"About {before.in_flight} are leased by another run or one that was cut off: "
            "they come back by themselves."
        )
    elif not seen:
        tell("There are no dead letters.")
    if whole and seen < before.visible:
        tell(f"About {before.visible - seen} could not be looked at: {_FIFO_WHY if queue.fifo else _WHY}")
    if isinstance(selector.where, Condition) and selector.where.failed:
        tell(f"--where could not be evaluated on {selector.where.failed}, which were therefore not meant.")


def tell_missing(missing: frozenset[str]) -> None:
    """Name the ids that were asked for and are not there."""
    for one in sorted(missing):
        tell(f"no dead letter has the id {one}")


def counted(counts: Mapping[Any, int], nothing: str) -> str:
    """Write counts in a line."""
    return ", ".join(f"{count} {what}" for what, count in counts.items() if count) or nothing
