"""`penstock dlq stats | list | show`: looking at dead letters without touching them."""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from typing import Annotated, Any

import typer

from penstock.cli.dlq.messages import progress, tell, tell_missing, tell_unseen
from penstock.cli.dlq.selection import Selection, selecting
from penstock.cli.dlq.table import row_of, show
from penstock.cli.support.errors import FAILED, FOUND, USAGE, Failure
from penstock.cli.support.options import JsonOption, Target, on_stage
from penstock.cli.support.output import format_duration, format_time, print_line
from penstock.cli.support.stage import Queues
from penstock.deadletters import DeadLetterMessage, Selector, scan
from penstock.deadletters.redact import redacted
from penstock.deadletters.stats import By, StatsGroup, count_by

_COUNTED_BY = "kind,fault,fingerprint"


@contextmanager
def _looking(queues: Queues, selector: Selector, limit: int | None) -> Iterator[Iterator[DeadLetterMessage]]:
    """Look, with a bar, and say what could not be seen."""
    depth = queues.dead.depth()
    seen = 0

    def on_page(count: int) -> None:
        nonlocal seen
        seen += count
        advance(count)

    total = min(depth.total, limit) if limit is not None and selector.is_everything else depth.total
    with (
        progress("looking", total) as advance,
        closing(scan(queues.dead, selector, limit=limit, on_page=on_page)) as found,
    ):
        yield found
    if seen:
        tell("This look counted as one receive of each message looked at.")
    tell_unseen(queues.dead, depth, selector, seen=seen, whole=limit is None or seen < limit)


@on_stage
@selecting
def list_(
    *,
    at: Target,
    chosen: Selection,
    limit: Annotated[int, typer.Option("--limit", min=1, help="List this many at most.")] = 100,
    reveal: Annotated[bool, typer.Option("--reveal", help="Show the payloads, which may be personal.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List dead letters: what each was, why it was set aside, when it expires.

    A table on a terminal, tab-separated lines under a header when piped. SQS has no way to peek: each look counts
    as a receive and hides the messages until it is over.
    """
    selector = chosen.selector()
    queues = at.open().queues()
    with _looking(queues, selector, limit) as found:
        rows = (row_of(one, queues.retention_seconds, reveal=reveal) for one in found)
        count = show(rows, as_json=as_json, reveal=reveal)
    if count or not selector.is_everything:
        tell(f"{count} dead letter{'s' * (count != 1)}.")
    if count >= limit:
        tell("There may be more: --limit shows more.")


@on_stage
def show_(
    *,
    at: Target,
    id_: Annotated[str, typer.Argument(metavar="ID", help="The intent's id, or SQS's id of the message.")],
    reveal: Annotated[bool, typer.Option("--reveal", help="Show the payload, which may be personal.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show all there is to know of one dead letter, of each copy that there is.

    The payload's values are struck out, and its shape is shown. The whole dead-letter queue is looked through,
    which counts as a receive of each message in it.
    """
    selector = _by_id(id_)
    queues = at.open().queues()
    with _looking(queues, selector, None) as found:
        any_found = False
        # One at a time: a sender may have put up any number of copies of one id.
        for one in found:
            any_found = True
            _print_whole(_whole(one, queues.retention_seconds, reveal=reveal), as_json=as_json)
    if not any_found:
        tell_missing(selector.ids)
        raise typer.Exit(FAILED)


@on_stage
@selecting
def stats(
    *,
    at: Target,
    chosen: Selection,
    by: Annotated[str, typer.Option("--by", help="Any of kind, fault, fingerprint, age.")] = _COUNTED_BY,
    check: Annotated[bool, typer.Option("--check", help="End with 10 if there are any.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Count dead letters by their causes, the largest first, with the time until the oldest expires.

    The whole dead-letter queue is looked through, which counts as a receive of each message in it.
    """
    selector, what = chosen.selector(), _by(by)
    queues = at.open().queues()
    with _looking(queues, selector, None) as found:
        groups = count_by(found, what, time.time())
    columns = ("count", *what, "detail", "oldest", "newest", "expires_at")
    for position, group in enumerate(groups):
        row = _counted(group, what, queues.retention_seconds)
        if not as_json and position == 0:
            print_line(columns, as_json=False)
        print_line(row if as_json else [row[name] for name in columns], as_json=as_json)
    _tell_expiry(groups, queues.retention_seconds)
    if check and groups:
        raise typer.Exit(FOUND)


def _by_id(text: str) -> Selector:
    try:
        return Selector.of(ids=[text])
    except ValueError as error:
        raise Failure(f"ID: {error}", USAGE) from None


def _by(text: str) -> list[By]:
    try:
        return list(dict.fromkeys(By(word.strip()) for word in text.split(",")))
    except ValueError:
        raise Failure(f"--by: {text!r}: give any of {', '.join(By)}, with commas between", USAGE) from None


def _counted(group: StatsGroup, what: list[By], retention_seconds: int) -> dict[str, Any]:
    return {
        "count": group.count,
        **{name.value: group.values.get(name, "(others)") for name in what},
        "detail": group.detail,
        "oldest": format_time(group.oldest),
        "newest": format_time(group.newest),
        "expires_at": format_time(group.oldest + retention_seconds),
    }


def _tell_expiry(groups: list[StatsGroup], retention_seconds: int) -> None:
    if groups:
        total = sum(group.count for group in groups)
        left = min(group.oldest for group in groups) + retention_seconds - time.time()
        tell(f"{total} dead letter{'s' * (total != 1)}; the oldest expires in {format_duration(left)}.")


def _whole(found: DeadLetterMessage, retention_seconds: int, *, reveal: bool) -> dict[str, Any]:
    """Write down everything of one dead letter."""
    message = found.message
    letter = asdict(found.letter) if found.letter else {}
    return {
        **row_of(found, retention_seconds, reveal=False),
        **{name: letter.get(name) for name in ("constraint", "table", "column", "first_seen", "function_version")},
        "group": message.group,
        "attributes": sorted(message.attributes),
        "body": message.body if reveal else redacted(message.body),
    }


def _print_whole(values: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_line(values, as_json=True)
        return
    for name, value in values.items():
        text = ", ".join(value) if isinstance(value, list) else value
        print_line([name, json.dumps(text) if isinstance(text, dict) else text], as_json=False)
    sys.stdout.write("\n")
