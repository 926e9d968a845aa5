"""`penstock dlq stats | list | show`: read dead letters and leave them on the queue."""

import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Annotated

import typer

from penstock.cli.dlq.counts import parse_by, print_groups, report_groups
from penstock.cli.dlq.details import details_of, follow_up, print_details
from penstock.cli.dlq.lookup import look_up
from penstock.cli.dlq.messages import Bar, format_dead_letters, progress_bar, report_missing, report_unseen
from penstock.cli.dlq.selection import Selection, selection_options
from penstock.cli.dlq.table import letter_listing, row_of
from penstock.cli.support.errors import FAILED, FOUND, USAGE, Failure
from penstock.cli.support.options import JsonOption, Target, on_stage
from penstock.cli.support.output import echo_err
from penstock.cli.support.stage import Queues
from penstock.deadletters import DeadLetterMessage, Selector, scan
from penstock.deadletters.stats import count_by

_DEFAULT_BY = "kind,fault,fingerprint"


@on_stage
@selection_options
def list_(
    *,
    at: Target,
    chosen: Selection,
    limit: Annotated[int, typer.Option("--limit", min=1, help="List at most this many.")] = 100,
    wide: Annotated[
        bool, typer.Option("--wide", help="On a terminal, show all columns of each, instead of causes.")
    ] = False,
    reveal: Annotated[
        bool, typer.Option("--reveal", help="Show the payloads, which can hold personal data.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """List dead letters: the intent, the fault, and when the message expires.

    On a terminal they are grouped by cause, with relative times. In a pipe each is a tab-separated line under a
    header. SQS cannot read a message without receiving it: each run counts as one receive of each message, and
    hides the messages from others until it ends.
    """
    selector = chosen.selector()
    queues = at.open().queues()
    selector = look_up(selector, queues.dead, at)
    with (
        letter_listing(as_json=as_json, reveal=reveal, wide=wide) as listing,
        _scan(queues, selector, limit, shown_at_once=as_json) as read,
    ):
        for one in read.found:
            listing.add(row_of(one, queues.retention_seconds, reveal=reveal))
    if listing.count or not selector.is_everything:
        echo_err(f"{read.sum_of(listing.count)}.")
    if listing.count >= limit:
        echo_err("There can be more: list more of them with --limit.")


@on_stage
def show_(
    *,
    at: Target,
    id_: Annotated[str, typer.Argument(metavar="ID", help="The id of the intent, or the SQS id of the message.")],
    reveal: Annotated[
        bool, typer.Option("--reveal", help="Show the payload, which can hold personal data.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show all details of one dead letter, and of each copy of it on the queue.

    The values of the payload are replaced by their types and lengths. The command reads the whole dead-letter
    queue, which counts as one receive of each message. It ends with the command that follows.
    """
    selector = _parse_id(id_)
    queues = at.open().queues()
    last: DeadLetterMessage | None = None
    with _scan(queues, selector, None, shown_at_once=True) as read:
        # Printed one at a time: a sender can send any number of copies of one id.
        for last in read.found:
            print_details(details_of(last, queues.retention_seconds, reveal=reveal), as_json=as_json)
    if last is None:
        report_missing(selector.ids)
        raise typer.Exit(FAILED)
    echo_err(f"next: {follow_up(last, at)}")


@on_stage
@selection_options
def stats(
    *,
    at: Target,
    chosen: Selection,
    by: Annotated[
        str, typer.Option("--by", help="Any of kind, fault, fingerprint, age, separated by commas.")
    ] = _DEFAULT_BY,
    check: Annotated[bool, typer.Option("--check", help="Exit with code 10 if there are any.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Count dead letters by cause, the largest count first, with the time until the oldest one expires.

    The command reads the whole dead-letter queue, which counts as one receive of each message. It ends with the
    command that follows for the largest count.
    """
    selector, dimensions = chosen.selector(), parse_by(by)
    queues = at.open().queues()
    selector = look_up(selector, queues.dead, at)
    origins: Counter[str] = Counter()
    with _scan(queues, selector, None) as read:
        groups = count_by(_counted(read.found, origins), dimensions, time.time())
    print_groups(groups, dimensions, queues.retention_seconds, as_json=as_json)
    if groups:
        total = read.sum_of(sum(group.count for group in groups))
        report_groups(total, groups, origins, queues.retention_seconds, at)
    if check and groups:
        raise typer.Exit(FOUND)


def _counted(found: Iterator[DeadLetterMessage], origins: Counter[str]) -> Iterator[DeadLetterMessage]:
    for one in found:
        origins[one.origin] += 1
        yield one


@dataclass(slots=True)
class _Read:
    """A scan: the selected dead letters, and how many messages were read so far."""

    found: Iterator[DeadLetterMessage]
    is_everything: bool
    seen: int = 0

    def sum_of(self, selected: int) -> str:
        """Return how many were selected, and of how many that were read."""
        return format_dead_letters(selected) + ("" if self.is_everything else f" of {self.seen} read")


@contextmanager
def _scan(
    queues: Queues, selector: Selector, limit: int | None, *, shown_at_once: bool = False
) -> Iterator[_Read]:
    """Read the selected dead letters with a progress bar, and report on stderr what could not be read.

    With `shown_at_once` the bar disappears at the first of them if stdout is a terminal: `rich` would wrap the
    lines above it.
    """
    depth = queues.dead.depth()

    def on_page(count: int) -> None:
        read.seen += count
        advance(count)

    total = min(depth.total, limit) if limit is not None and selector.is_everything else depth.total
    with (
        progress_bar("reading", total) as advance,
        closing(scan(queues.dead, selector, limit=limit, on_page=on_page)) as found,
    ):
        read = _Read(_without_bar(found, advance) if shown_at_once else found, selector.is_everything)
        yield read
    if read.seen:
        echo_err("This run counted as one receive of each message that it read.")
    report_unseen(queues.dead, depth, selector, seen=read.seen, complete=limit is None or read.seen < limit)


def _without_bar(found: Iterator[DeadLetterMessage], bar: Bar) -> Iterator[DeadLetterMessage]:
    for one in found:
        if sys.stdout.isatty():
            bar.hide()
        yield one


def _parse_id(text: str) -> Selector:
    try:
        return Selector.of(ids=[text])
    except ValueError as error:
        raise Failure(f"ID: {error}", USAGE) from None
