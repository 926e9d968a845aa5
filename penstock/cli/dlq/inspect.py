"""`penstock dlq stats | list | show`: read dead letters and leave them on the queue."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Annotated

import typer

from penstock.cli.dlq.counts import parse_by, print_counts
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
        _scan(queues, selector, limit) as found,
    ):
        for one in found:
            listing.add(row_of(one, queues.retention_seconds, reveal=reveal))
    if listing.count or not selector.is_everything:
        echo_err(f"{format_dead_letters(listing.count)}.")
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
    with _scan(queues, selector, None, shown_at_once=True) as found:
        # Printed one at a time: a sender can send any number of copies of one id.
        for last in found:
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
    with _scan(queues, selector, None) as found:
        groups = count_by(_counted(found, origins), dimensions, time.time())
    print_counts(groups, dimensions, origins, queues.retention_seconds, at, as_json=as_json)
    if check and groups:
        raise typer.Exit(FOUND)


def _counted(found: Iterator[DeadLetterMessage], origins: Counter[str]) -> Iterator[DeadLetterMessage]:
    for one in found:
        origins[one.origin] += 1
        yield one


@contextmanager
def _scan(
    queues: Queues, selector: Selector, limit: int | None, *, shown_at_once: bool = False
) -> Iterator[Iterator[DeadLetterMessage]]:
    """Read the selected dead letters with a progress bar, and report on stderr what could not be read.

    With `shown_at_once` the bar disappears at the first of them, since lines on stdout would break it.
    """
    depth = queues.dead.depth()
    seen = 0

    def on_page(count: int) -> None:
        nonlocal seen
        seen += count
        advance(count)

    total = min(depth.total, limit) if limit is not None and selector.is_everything else depth.total
    with (
        progress_bar("reading", total) as advance,
        closing(scan(queues.dead, selector, limit=limit, on_page=on_page)) as found,
    ):
        yield _without_bar(found, advance) if shown_at_once else found
    if seen:
        echo_err("This run counted as one receive of each message that it read.")
    report_unseen(queues.dead, depth, selector, seen=seen, complete=limit is None or seen < limit)


def _without_bar(found: Iterator[DeadLetterMessage], bar: Bar) -> Iterator[DeadLetterMessage]:
    for one in found:
        bar.hide()
        yield one


def _parse_id(text: str) -> Selector:
    try:
        return Selector.of(ids=[text])
    except ValueError as error:
        raise Failure(f"ID: {error}", USAGE) from None
