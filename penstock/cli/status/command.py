"""`penstock status`: the whole of a stage on one screen, once or again and again."""

import time
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

import typer

from penstock.cli.status.snapshot import CLOUDWATCH, EMPTY, LEDGER, UNKNOWN, Snapshot, SnapshotReader
from penstock.cli.support.breaker import phrase
from penstock.cli.support.database import DatabaseOption
from penstock.cli.support.errors import FAILED, FOUND, USAGE, Failure
from penstock.cli.support.options import JsonOption, Target, on_stage
from penstock.cli.support.output import format_duration, print_line
from penstock.database.ledger_stats import WINDOW_SECONDS, LedgerStats

EPILOG = (
    "Examples: penstock status · penstock status --stage dev --watch · penstock status --json | jq .drain · "
    "penstock status --check. Exit codes: 0 all was asked, 1 a part could not be asked, 2 usage, 10 with --check, "
    "something is wrong."
)

EveryOption = Annotated[float, typer.Option("--every", min=0.5, help="Seconds from one look to the next.")]

_SOURCES = {
    CLOUDWATCH: "by CloudWatch",
    LEDGER: "by the ledger: the slowest that landed in the last minute",
    EMPTY: "the queue is empty",
    UNKNOWN: "neither CloudWatch nor the ledger can tell",
}


@on_stage
def status(
    *,
    at: Target,
    watch: Annotated[bool, typer.Option("--watch", help="Look again and again, until Ctrl-C.")] = False,
    every: EveryOption = 2.0,
    check: Annotated[
        bool,
        typer.Option(
            "--check",
            help="Exit with 10 if the breaker is not closed, there are dead letters, "
            "or connections are over the budget.",
        ),
    ] = False,
    database_url: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the queues, the drain, the breaker and the connections of a stage.

    A part that cannot be asked is shown with its reason, beside the others, and the exit code is 1. Nothing is
    received from a queue: SQS's counts are approximate. With --watch, blocks of lines follow one another, or with
    --json, lines.
    """
    if watch and check:
        raise Failure("either --watch or --check", USAGE)
    with SnapshotReader(at, database_url) as gauge:
        for snapshot in _snapshots(gauge, every) if watch else [gauge.read()]:
            _print(snapshot, as_json=as_json, between=watch)
    if snapshot.troubles:
        raise typer.Exit(FAILED)
    if check and snapshot.findings:
        typer.echo("; ".join(snapshot.findings), err=True)
        raise typer.Exit(FOUND)


def _snapshots(gauge: SnapshotReader, seconds: float) -> Iterator[Snapshot]:
    while True:
        yield gauge.read()
        time.sleep(seconds)


def _print(snapshot: Snapshot, *, as_json: bool, between: bool) -> None:
    if as_json:
        print_line(row_of(snapshot), as_json=True)
        return
    if between:
        typer.echo(f"{snapshot.stack} at {snapshot.at:%H:%M:%S} UTC")
    for name, text in lines_of(snapshot).items():
        typer.echo(f"{name + ':':<16}{text}")
    if between:
        typer.echo()


def lines_of(snapshot: Snapshot) -> dict[str, str]:
    """Write a snapshot for people."""
    figures = snapshot.figures
    lines: dict[str, str | None] = {
        "queue": _queue(snapshot),
        "oldest": _oldest(snapshot),
        "dead letters": _dead_letters(snapshot),
        "drain": _drain(figures) if figures else None,
        "emit to commit": _times(figures) if figures else None,
        "breaker": phrase(snapshot.breaker) if snapshot.breaker else None,
        "connections": f"{figures.connections} of a budget of {snapshot.budget}" if figures else None,
    }
    parts = {"queue": "queue", "dead letters": "dead-letters", "breaker": "breaker"}
    troubles = {name: snapshot.troubles.get(parts.get(name, "database"), UNKNOWN) for name in lines}
    return {name: text or f"not known: {troubles[name]}" for name, text in lines.items()}


def _queue(snapshot: Snapshot) -> str | None:
    if snapshot.queue is None:
        return None
    depth = snapshot.queue
    tried = f"; {snapshot.figures.pending:,} were tried before" if snapshot.figures else ""
    return f"about {depth.visible:,} waiting, {depth.in_flight:,} in flight, {depth.delayed:,} delayed{tried}"


def _oldest(snapshot: Snapshot) -> str:
    """Write the age of the oldest message, and who says so."""
    source = _SOURCES[snapshot.oldest_source]
    if snapshot.oldest_source == EMPTY or snapshot.oldest_seconds is None:
        return f"{'none' if snapshot.oldest_source == EMPTY else 'unknown'} ({source})"
    return f"{format_duration(snapshot.oldest_seconds)} ({source})"


def _dead_letters(snapshot: Snapshot) -> str | None:
    if snapshot.dead_letters is None:
        return None
    expires = snapshot.first_expires_at
    soon = (
        f", the first of them expires in {format_duration((expires - snapshot.at).total_seconds())}"
        if expires
        else ""
    )
    return f"about {snapshot.dead_letters.total:,}{soon}" if snapshot.dead_letters.total else "none"


def _drain(figures: LedgerStats) -> str:
    settled = f"{figures.applied:,} applied, {figures.stale:,} stale, {figures.dead:,} dead"
    return f"{figures.per_second:,.1f}/s in the last minute: {settled}"


def _times(figures: LedgerStats) -> str:
    """Write the times from emit to commit."""
    if figures.p50_seconds is None or figures.p99_seconds is None:
        return "nothing landed in the last minute"
    return f"p50 {figures.p50_seconds:,.2f} s, p99 {figures.p99_seconds:,.2f} s"


def row_of(snapshot: Snapshot) -> dict[str, Any]:
    """Write a snapshot for programs, with constant keys; a part that could not be asked is null."""
    figures, queue, dead = snapshot.figures, snapshot.queue, snapshot.dead_letters
    oldest_known = {"oldest_seconds": snapshot.oldest_seconds, "oldest_source": snapshot.oldest_source}
    breaker = snapshot.breaker and asdict(snapshot.breaker)
    return {
        "at": snapshot.at.isoformat(timespec="milliseconds"),
        "stack": snapshot.stack,
        "queue": queue and asdict(queue) | oldest_known,
        "dead_letters": dead and asdict(dead) | {"first_expires_at": _time(snapshot.first_expires_at)},
        "drain": figures and _figures(figures),
        "breaker": breaker,
        "connections": figures and {"held": figures.connections, "budget": snapshot.budget},
        "troubles": dict(snapshot.troubles),
    }


def _figures(figures: LedgerStats) -> dict[str, Any]:
    known = asdict(figures)
    del known["connections"]
    first = {"first_dead_at": _time(figures.first_dead_at)}
    return {"window_seconds": WINDOW_SECONDS, "per_second": round(figures.per_second, 3), **known, **first}


def _time(format_time: datetime | None) -> str | None:
    return format_time.isoformat() if format_time else None
