"""`penstock audit`: law 9 as a report, and the intents that do not add up."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, TextIO
from uuid import UUID

import typer

from penstock.audit.audit import Account, AuditFinding, audit
from penstock.audit.reconcile import Discrepancy
from penstock.cli.commands.ledger import id_of
from penstock.cli.support.database import DatabaseOption, connecting, find_database
from penstock.cli.support.errors import FOUND, USAGE, Failure
from penstock.cli.support.options import JsonOption, Target, on_stage
from penstock.cli.support.output import print_line
from penstock.cli.support.times import parse_when
from penstock.database.ledger import APPLIED, DEAD, STALE
from penstock.database.retention import KEPT_DAYS
from penstock.database.watchdog import Watchdog

EPILOG = (
    "Examples: penstock audit · penstock audit --since 2h --check · penstock audit --ids ids.txt --json | "
    "jq 'select(.verdict)'. Exit codes: 0 done, 1 something could not be asked, 2 usage, 10 with --check, "
    "something does not add up."
)

_MEANINGS = {
    Discrepancy.GONE: "dead, and not on the dead-letter queue: somebody took it away",
    Discrepancy.EXPIRED: "dead, for longer than the dead-letter queue keeps anything",
    Discrepancy.COPY: "took effect, and has a dead letter as well: it can be purged",
    Discrepancy.MOVED: "SQS moved it to the dead-letter queue, for it was received too often",
    Discrepancy.LOST: "pending or unknown, while the queues are empty",
    Discrepancy.FORGOTTEN: f"made over {KEPT_DAYS} days ago, which the ledger may have forgotten",
    Discrepancy.UNDECIDED: "may be on its way, on a queue or in somebody's lease: audit again later",
}


@on_stage
def audit_(
    *,
    at: Target,
    since: Annotated[
        str, typer.Option("--since", help="Of what was settled since then: 2026-11-20T10:00:00Z, or 2h, 7d ago.")
    ] = "1d",
    ids: Annotated[
        str | None,
        typer.Option(
            "--ids", metavar="FILE", help="Account for these ids or receipts, one per line; - for stdin."
        ),
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Exit with 10 if anything does not add up.")] = False,
    database_url: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Account for every intent: emitted = applied + stale + dead + pending.

    Prints a line per intent that does not add up, with the word for why, then the account. The dead-letter queue
    is looked through, which counts as a receive of each letter; the main queue is only counted, as SQS does,
    approximately. With --ids, what callers were given, the account is exact and --since does not matter.
    """
    begun = _moment(since)
    with _opened(ids) as lines:
        stage = at.open()
        queues = stage.queues()
        with connecting(find_database(database_url, at)) as engine:
            account = audit(
                Watchdog(engine),
                queues.main,
                queues.dead,
                since=begun,
                retention=timedelta(seconds=queues.retention_seconds),
                ids=None if lines is None else _ids(lines),
                on_finding=lambda finding: _print_finding(finding, as_json=as_json),
            )
    _print_account(account, as_json=as_json)
    _tell(account)
    if check and account.unreconciled:
        raise typer.Exit(FOUND)


def _moment(text: str) -> datetime:
    now = datetime.now(UTC)
    format_time = parse_when(text, now)
    if format_time > now:
        raise Failure(f"--since {text} is in the future", USAGE)
    return format_time


@contextmanager
def _opened(name: str | None) -> Iterator[TextIO | None]:
    """Open a file of ids, or stdin, if one was named.

    Raises:
        Failure: there is no such file.
    """
    if name is None or name == "-":
        yield sys.stdin if name else None
        return
    if not Path(name).is_file():
        raise Failure(f"--ids: there is no file {name}", USAGE)
    with Path(name).open(encoding="utf-8", errors="replace") as file:
        yield file


def _ids(lines: TextIO) -> Iterator[UUID]:
    """Read an id or a receipt from each line; empty ones do not count.

    Raises:
        Failure: a line has something else. Nothing has been printed then: the ids are read first.
    """
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                yield id_of(line)
            except Failure as error:
                raise Failure(f"--ids: line {number}: {error}", USAGE) from None


def _print_finding(finding: AuditFinding, *, as_json: bool) -> None:
    row = {"id": finding.id, "verdict": str(finding.discrepancy), "outcome": finding.outcome}
    print_line(row if as_json else row.values(), as_json=as_json)


def _print_account(account: Account, *, as_json: bool) -> None:
    row = _row(account)
    for line in [row] if as_json else row.items():
        print_line(line, as_json=as_json)


def _row(account: Account) -> dict[str, Any]:
    """Write the account down, with constant keys."""
    return {
        "since": None if account.given is not None else account.since.isoformat(timespec="seconds"),
        "emitted": account.emitted,
        "applied": account.counts[APPLIED],
        "stale": account.counts[STALE],
        "dead": account.counts[DEAD],
        "pending": account.pending,
        "purged": account.purged,
        "waiting": account.waiting.total,
        "dead_letters": account.dlq.scanned,
        "unread": account.dlq.unreadable,
        "foreign": account.dlq.foreign,
        "hidden": account.dlq.hidden,
        **{str(verdict): account.discrepancies[verdict] for verdict in Discrepancy},
    }


def _tell(account: Account) -> None:
    """Sum up on stderr."""
    counted = "" if account.given is not None else ", as far as is known; what waits on the queue is approximate"
    sums = [account.counts[APPLIED], account.counts[STALE], account.counts[DEAD], account.pending]
    lost = account.discrepancies[Discrepancy.LOST] + account.discrepancies[Discrepancy.FORGOTTEN]
    short = f", and {lost} lost or forgotten" if lost else ""
    parts = " + ".join(map(str, sums))
    _say(f"emitted {account.emitted} = {parts} (applied + stale + dead + pending){short}{counted}")
    if account.dlq.scanned:
        _say(f"The look at {account.dlq.scanned} dead letters counted as one receive of each.")
    for verdict, meaning in _MEANINGS.items():
        if account.discrepancies[verdict]:
            _say(f"{account.discrepancies[verdict]} {verdict}: {meaning}")
    _say(f"{account.unreconciled} do not add up" if account.unreconciled else "it adds up")


def _say(text: str) -> None:
    typer.echo(text, err=True)
