"""`penstock status`: the state of a stage, once or repeatedly."""

import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.text import Text

from penstock.cli.status.snapshot import CLOUDWATCH, EMPTY, LEDGER, UNKNOWN, Snapshot, SnapshotReader
from penstock.cli.status.verdict import MOST_CAUSES, State, Verdict, describe_backlog, judge
from penstock.cli.support.breaker import format_breaker
from penstock.cli.support.database import DatabaseOption
from penstock.cli.support.errors import FAILED, FOUND, USAGE, Failure
from penstock.cli.support.layout import paragraph
from penstock.cli.support.listing import terminal
from penstock.cli.support.options import JsonOption, Target, on_stage
from penstock.cli.support.output import echo_err, format_duration, print_line
from penstock.cli.support.record import draw_record
from penstock.cli.support.waiting import describe_waiting
from penstock.database.ledger_stats import WINDOW_SECONDS, LedgerStats
from penstock.functions.hold_requests import HOLDS_TYPE

EPILOG = (
    "Examples: penstock status · penstock status --stage dev --watch · penstock status --json | jq .drain · "
    "penstock status --check. Exit codes: 0 every part was read, 1 a part could not be read, 2 wrong usage, 10 "
    "with --check, something is wrong."
)

EveryOption = Annotated[float, typer.Option("--every", min=0.5, help="The seconds between two snapshots.")]

_NOT_KNOWN = "not known"
_SOURCES = {
    CLOUDWATCH: "from CloudWatch",
    LEDGER: "from the ledger: the longest time from emit to commit in the last minute",
    EMPTY: "the queue is empty",
    UNKNOWN: "neither CloudWatch nor the ledger has it",
}


_STYLES = {State.OK: "bold green", State.DEGRADED: "bold yellow", State.STOPPED: "bold red"}


@on_stage
def status(
    *,
    at: Target,
    watch: Annotated[bool, typer.Option("--watch", help="Repeat until Ctrl-C.")] = False,
    every: EveryOption = 2.0,
    check: Annotated[
        bool,
        typer.Option(
            "--check",
            help="Exit with 10 if the state is not OK: the breaker is not closed, a kind is held, intents wait "
            "for a mended deployment, there are dead letters, or the connections exceed the budget.",
        ),
    ] = False,
    database_url: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the state of a stage in one word, then the queues, the drain, the breaker and the connections.

    The first line is OK, DEGRADED or STOPPED, with the reasons; the second is the next command to type.
    A part that cannot be read is shown with the reason, the other parts are still shown, and the exit code is 1.
    No message is received from a queue: the counts are SQS's own, which are approximate. With --watch, each
    snapshot is a block of lines, or one line with --json.
    """
    if watch and check:
        raise Failure("give either --watch or --check", USAGE)
    with SnapshotReader(at, database_url) as reader:
        snapshot = reader.read()
        _print(snapshot, at, as_json=as_json, as_block=watch)
        while watch:
            time.sleep(every)
            _print(reader.read(), at, as_json=as_json, as_block=True)
    if snapshot.errors:
        raise typer.Exit(FAILED)
    if check and (reasons := judge(snapshot).reasons):
        echo_err("; ".join(reason.text for reason in reasons))
        raise typer.Exit(FOUND)


def _print(snapshot: Snapshot, at: Target, *, as_json: bool, as_block: bool) -> None:
    """Print a snapshot on stdout; a block has a heading and a blank line after it."""
    if as_json:
        print_line(row_of(snapshot), as_json=True)
        return
    if as_block:
        typer.echo(f"{snapshot.stack} at {snapshot.at:%H:%M:%S} UTC")
    verdict = judge(snapshot)
    following = {"next": f"{verdict.command}{at.words}"} if verdict.command else {}
    lines = {f"{name}:": text for name, text in (following | lines_of(snapshot)).items()}
    if sys.stdout.isatty():
        console = terminal()
        for line in draw_status(verdict, lines, console.width):
            console.print(line, soft_wrap=True)
    else:
        typer.echo(verdict_line(verdict))
        for name, text in lines.items():
            typer.echo(f"{name:<16}{text}")
    if as_block:
        typer.echo()


def draw_status(verdict: Verdict, lines: Mapping[str, str], width: int) -> Iterator[Text]:
    """Return the lines of a snapshot for a terminal with this number of columns."""
    yield from paragraph(verdict_line(verdict), width, hang=2, style=_STYLES[verdict.state])
    yield from draw_record(_without_repetition(lines), width, gap=1)


def _without_repetition(lines: Mapping[str, str]) -> dict[str, str]:
    """Give an error that several parts have once, with the first of them."""
    first = {text: name for name, text in reversed([*lines.items()])}
    return {
        name: text if first[text] == name or not text.startswith(_NOT_KNOWN) else f"{_NOT_KNOWN}, as above"
        for name, text in lines.items()
    }


def verdict_line(verdict: Verdict) -> str:
    """Return the state in one word, and the reasons."""
    reasons = "; ".join(one.text for one in verdict.reasons)
    return f"{verdict.state}: {reasons}" if reasons else str(verdict.state)


def lines_of(snapshot: Snapshot) -> dict[str, str]:
    """Return a snapshot as text for people, by the name of each line."""
    figures = snapshot.figures
    lines: dict[str, str | None] = {
        "queue": _queue(snapshot),
        "waiting for": _waiting(snapshot) if figures else None,
        "oldest": _oldest(snapshot),
        "dead letters": _dead_letters(snapshot),
        "drain": _drain(figures) if figures else None,
        "emit to commit": _latency(figures) if figures else None,
        "breaker": format_breaker(snapshot.breaker) if snapshot.breaker else None,
        "connections": f"{figures.connections} of a budget of {snapshot.budget}" if figures else None,
    }
    if snapshot.backlog and snapshot.backlog.count:
        lines["events"] = describe_backlog(snapshot.backlog)
    parts = {"queue": "queue", "dead letters": "dead-letters", "breaker": "breaker"}
    errors = {name: snapshot.errors.get(parts.get(name, "database"), UNKNOWN) for name in lines}
    return {name: text or f"{_NOT_KNOWN}: {errors[name]}" for name, text in lines.items()}


def _queue(snapshot: Snapshot) -> str | None:
    if snapshot.queue is None:
        return None
    depth, resting, figures = snapshot.queue, snapshot.resting, snapshot.figures
    # Without the ledger, what rests cannot be told apart from what is in flight.
    in_flight = f"{depth.in_flight - (resting or 0):,} in flight{' or resting' * (resting is None)}"
    rest = f", {resting:,} resting until their next try" if resting else ""
    held = f"; {figures.held:,} held" if figures and figures.held else ""
    return f"about {depth.visible:,} waiting, {in_flight}{rest}, {depth.delayed:,} delayed{held}"


def _waiting(snapshot: Snapshot) -> str:
    """Return what the intents wait for that were tried."""
    figures = snapshot.figures
    causes = [describe_waiting(one, snapshot.at.timestamp()) for one in figures.waiting] if figures else []
    more = len(causes) - MOST_CAUSES
    return "; ".join(causes[:MOST_CAUSES]) + f"; and {more} more" * (more > 0) if causes else "nothing"


def _oldest(snapshot: Snapshot) -> str:
    """Return the age of the oldest message, with its source."""
    source = _SOURCES[snapshot.oldest_source]
    if snapshot.oldest_source == EMPTY or snapshot.oldest_seconds is None:
        return f"{'none' if snapshot.oldest_source == EMPTY else 'unknown'} ({source})"
    swept = snapshot.swept_in_seconds
    note = "" if swept is None else f"; while the drain is off, dead-lettered from {format_duration(swept)} on"
    return f"{format_duration(snapshot.oldest_seconds)} ({source}){note}"


def _dead_letters(snapshot: Snapshot) -> str | None:
    if snapshot.dead_letters is None:
        return None
    if not snapshot.dead_letters.total:
        return "none"
    count, expires_at = f"about {snapshot.dead_letters.total:,}", snapshot.first_expires_at
    if expires_at is None:
        return count
    return f"{count}, the first expires in {format_duration((expires_at - snapshot.at).total_seconds())}"


def _drain(figures: LedgerStats) -> str:
    settled = f"{figures.applied:,} applied, {figures.stale:,} stale, {figures.dead:,} dead"
    settled += f", {figures.expired:,} expired" * bool(figures.expired)
    return f"{figures.per_second:,.1f}/s in the last minute: {settled}"


def _latency(figures: LedgerStats) -> str:
    if figures.p50_seconds is None or figures.p99_seconds is None:
        return "no intent was applied in the last minute"
    return f"p50 {figures.p50_seconds:,.2f} s, p99 {figures.p99_seconds:,.2f} s"


def row_of(snapshot: Snapshot) -> dict[str, Any]:
    """Return a snapshot as JSON values with constant keys; a part that could not be read is null."""
    figures, queue, dead = snapshot.figures, snapshot.queue, snapshot.dead_letters
    verdict = judge(snapshot)
    oldest = {
        "oldest_seconds": snapshot.oldest_seconds,
        "oldest_source": snapshot.oldest_source,
        "swept_in_seconds": snapshot.swept_in_seconds,
    }
    return {
        "at": snapshot.at.isoformat(timespec="milliseconds"),
        "stack": snapshot.stack,
        "state": verdict.state,
        "reasons": [reason.text for reason in verdict.reasons],
        "next": verdict.command,
        "queue": queue and asdict(queue) | {"resting": snapshot.resting} | oldest,
        "dead_letters": dead and asdict(dead) | {"first_expires_at": _isoformat(snapshot.first_expires_at)},
        "drain": figures and _drain_row(figures),
        "breaker": snapshot.breaker and asdict(snapshot.breaker),
        "connections": figures and {"held": figures.connections, "budget": snapshot.budget},
        "events": snapshot.backlog and asdict(snapshot.backlog),
        "troubles": dict(snapshot.errors),
    }


def _drain_row(figures: LedgerStats) -> dict[str, Any]:
    waiting = [asdict(one) | {"since": _isoformat(one.since)} for one in figures.waiting]
    row = asdict(figures) | {"first_dead_at": _isoformat(figures.first_dead_at), "waiting": waiting}
    row["holds"] = HOLDS_TYPE.dump_python([*figures.holds], mode="json")
    del row["connections"], row["resting"]
    return {"window_seconds": WINDOW_SECONDS, "per_second": round(figures.per_second, 3), **row}


def _isoformat(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
