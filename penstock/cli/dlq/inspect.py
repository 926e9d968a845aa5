"""`penstock dlq stats | list | show`: read dead letters and leave them on the queue."""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from typing import Annotated, Any

import typer

from penstock.cli.dlq.messages import format_dead_letters, progress_bar, report_missing, report_unseen
from penstock.cli.dlq.selection import Selection, selection_options
from penstock.cli.dlq.table import row_of, show
from penstock.cli.support.errors import FAILED, FOUND, USAGE, Failure
from penstock.cli.support.options import JsonOption, Target, on_stage
from penstock.cli.support.output import echo_err, format_duration, format_time, print_line
from penstock.cli.support.stage import Queues
from penstock.deadletters import DeadLetterMessage, Selector, scan
from penstock.deadletters.redact import redacted
from penstock.deadletters.stats import By, StatsGroup, count_by

_DEFAULT_BY = "kind,fault,fingerprint"


@on_stage
@selection_options
def list_(
    *,
    at: Target,
    chosen: Selection,
    limit: Annotated[int, typer.Option("--limit", min=1, help="List at most this many.")] = 100,
    reveal: Annotated[
        bool, typer.Option("--reveal", help="Show the payloads, which can hold personal data.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """List dead letters: the intent, the fault, and when the message expires.

    The output is a table on a terminal, and tab-separated lines under a header in a pipe. SQS cannot read a
    message without receiving it: each run counts as one receive of each message, and hides the messages from
    others until it ends.
    """
    selector = chosen.selector()
    queues = at.open().queues()
    with _scan(queues, selector, limit) as found:
        rows = (row_of(one, queues.retention_seconds, reveal=reveal) for one in found)
        count = show(rows, as_json=as_json, reveal=reveal)
    if count or not selector.is_everything:
        echo_err(f"{format_dead_letters(count)}.")
    if count >= limit:
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
    queue, which counts as one receive of each message.
    """
    selector = _parse_id(id_)
    queues = at.open().queues()
    with _scan(queues, selector, None) as found:
        any_found = False
        # Printed one at a time: a sender can send any number of copies of one id.
        for one in found:
            any_found = True
            _print_details(_details(one, queues.retention_seconds, reveal=reveal), as_json=as_json)
    if not any_found:
        report_missing(selector.ids)
        raise typer.Exit(FAILED)


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

    The command reads the whole dead-letter queue, which counts as one receive of each message.
    """
    selector, dimensions = chosen.selector(), _parse_by(by)
    queues = at.open().queues()
    with _scan(queues, selector, None) as found:
        groups = count_by(found, dimensions, time.time())
    columns = ("count", *dimensions, "detail", "oldest", "newest", "expires_at")
    for position, group in enumerate(groups):
        row = _stats_row(group, dimensions, queues.retention_seconds)
        if not as_json and position == 0:
            print_line(columns, as_json=False)
        print_line(row if as_json else [row[name] for name in columns], as_json=as_json)
    _report_expiry(groups, queues.retention_seconds)
    if check and groups:
        raise typer.Exit(FOUND)


@contextmanager
def _scan(queues: Queues, selector: Selector, limit: int | None) -> Iterator[Iterator[DeadLetterMessage]]:
    """Read the selected dead letters with a progress bar, and report on stderr what could not be read."""
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
        yield found
    if seen:
        echo_err("This run counted as one receive of each message that it read.")
    report_unseen(queues.dead, depth, selector, seen=seen, complete=limit is None or seen < limit)


def _parse_id(text: str) -> Selector:
    try:
        return Selector.of(ids=[text])
    except ValueError as error:
        raise Failure(f"ID: {error}", USAGE) from None


def _parse_by(text: str) -> list[By]:
    try:
        return list(dict.fromkeys(By(word.strip()) for word in text.split(",")))
    except ValueError:
        raise Failure(
            f"--by: {text!r} is not valid: give any of {', '.join(By)}, separated by commas", USAGE
        ) from None


def _stats_row(group: StatsGroup, dimensions: list[By], retention_seconds: int) -> dict[str, Any]:
    return {
        "count": group.count,
        **{name.value: group.values.get(name, "(others)") for name in dimensions},
        "detail": group.detail,
        "oldest": format_time(group.oldest),
        "newest": format_time(group.newest),
        "expires_at": format_time(group.oldest + retention_seconds),
    }


def _report_expiry(groups: list[StatsGroup], retention_seconds: int) -> None:
    if groups:
        total = sum(group.count for group in groups)
        left = min(group.oldest for group in groups) + retention_seconds - time.time()
        echo_err(f"{format_dead_letters(total)}; the oldest expires in {format_duration(left)}.")


def _details(found: DeadLetterMessage, retention_seconds: int, *, reveal: bool) -> dict[str, Any]:
    """Return all fields of one dead letter."""
    message = found.message
    letter = asdict(found.letter) if found.letter else {}
    return {
        **row_of(found, retention_seconds, reveal=False),
        **{name: letter.get(name) for name in ("constraint", "table", "column", "first_seen", "function_version")},
        "group": message.group,
        "attributes": sorted(message.attributes),
        "body": message.body if reveal else redacted(message.body),
    }


def _print_details(values: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_line(values, as_json=True)
        return
    for name, value in values.items():
        text = ", ".join(value) if isinstance(value, list) else value
        print_line([name, json.dumps(text) if isinstance(text, dict) else text], as_json=False)
    sys.stdout.write("\n")
