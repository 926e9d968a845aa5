"""`penstock audit`: law 9 as a report, with a line for each finding."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Annotated, Any, TextIO
from uuid import UUID

import typer

from penstock.audit.audit import Account, AuditFinding, audit
from penstock.audit.dlq_index import MAX_LETTERS
from penstock.audit.ledger_reader import OpenLedger, read_database
from penstock.audit.reconcile import Discrepancy
from penstock.audit.verdict import OpenCause, OpenQuestion, Verdict
from penstock.cli.commands.ledger import parse_id
from penstock.cli.support.column import Column, Row
from penstock.cli.support.database import DatabaseOption, find_database, open_engine
from penstock.cli.support.errors import FOUND, UNDECIDED, USAGE, Failure
from penstock.cli.support.listing import Listing
from penstock.cli.support.options import JsonOption, Target, on_stage
from penstock.cli.support.output import echo_err
from penstock.cli.support.record import print_record
from penstock.cli.support.remote import RemoteFunction, RemoteOption
from penstock.cli.support.remote_ledger import RemoteLedger
from penstock.cli.support.times import parse_when
from penstock.database.ledger import APPLIED, DEAD, EXPIRED, STALE
from penstock.database.retention import KEPT_DAYS
from penstock.database.watchdog import Watchdog

EPILOG = (
    "Examples: penstock audit · penstock audit --since 2h --check · penstock audit --stage dev --remote · "
    "penstock audit --ids ids.txt --json | jq 'select(.verdict)'. Exit codes: 0 done, 1 a queue or the database "
    "cannot be read, 2 wrong usage, 5 with --remote, the function runs already, 10 with --check, it does not "
    "add up, 11 with --check, it is not yet decided."
)

_COLUMNS = (Column(name="id", whole=True, bare=True), Column(name="verdict"), Column(name="outcome"))

_MEANINGS = {
    Discrepancy.GONE: "dead in the ledger, but not on the dead-letter queue: deleted by other means than a purge",
    Discrepancy.DROPPED: "dead for longer than the dead-letter queue keeps a message",
    Discrepancy.COPY: "took effect, but has a dead letter too, which can be purged",
    Discrepancy.MOVED: "moved to the dead-letter queue by SQS, because it was received too often",
    Discrepancy.LOST: "pending or unknown to the ledger, although the queues are empty",
    Discrepancy.FORGOTTEN: f"made over {KEPT_DAYS} days ago: the ledger may have deleted its entry",
    Discrepancy.UNDECIDED: "perhaps in flight, on a queue or leased by another program: audit again later",
}
_QUESTIONS = {
    OpenCause.WAITING: "on the main queue (in flight, delayed or waiting), until the drain has taken them",
    OpenCause.HIDDEN: "dead letters that could not be read, until other runs give them back or those in front of "
    "them in their message group are gone",
    OpenCause.CUT_OFF: f"dead letters were read and no more, until there are fewer than {MAX_LETTERS:,}",
    OpenCause.IN_TRANSIT: "intents that may be in transit, until the queues are at rest",
    OpenCause.FORGOTTEN: "intents older than the ledger, for good: leave their ids out",
}


@on_stage
def audit_(
    *,
    at: Target,
    since: Annotated[
        str,
        typer.Option(
            "--since",
            help="Audit what was settled since this time: 2026-11-20T10:00:00Z, or a duration before now: 2h, 7d.",
        ),
    ] = "1d",
    ids: Annotated[
        str | None,
        typer.Option(
            "--ids", metavar="FILE", help="Audit the ids or receipts in a file, one per line; - for stdin."
        ),
    ] = None,
    check: Annotated[
        bool,
        typer.Option("--check", help="Exit with 10 if it does not add up, and with 11 if it is not yet decided."),
    ] = False,
    database_url: DatabaseOption = None,
    remote: RemoteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Account for every intent: emitted = applied + stale + dead + expired + pending.

    Prints a line for each finding, with its verdict, then the account. It adds up, or does not, or it is not yet
    decided, for example while messages are in flight. The command reads the whole
    dead-letter queue, which counts as a receive of each message. It only counts the main queue, and SQS's counts
    are approximate. With --ids the account is exact, and --since does not matter. With --remote, the stage's
    function `migrate` reads the ledger.
    """
    begin = _parse_since(since)
    with _open_ids(ids) as lines, Listing(_COLUMNS, as_json=as_json) as findings:
        queues = at.open().queues()
        with _ledger(at, database_url, remote=remote) as open_ledger:
            account = audit(
                open_ledger,
                queues.main,
                queues.dead,
                since=begin,
                retention=timedelta(seconds=queues.retention_seconds),
                ids=None if lines is None else _read_ids(lines),
                on_finding=lambda finding: findings.add(_finding_row(finding)),
            )
    print_record(_record(account, as_json=as_json), as_json=as_json)
    _summarize(account)
    if check and account.verdict != Verdict.ADDS_UP:
        raise typer.Exit(FOUND if account.verdict == Verdict.DOES_NOT_ADD_UP else UNDECIDED)


@contextmanager
def _ledger(at: Target, database_url: str | None, *, remote: bool) -> Iterator[OpenLedger]:
    """Give what opens the ledger, from here or through the stage's function.

    Raises:
        Failure: the database cannot be reached, or the stage has no such function.
    """
    if remote:
        ledger = RemoteLedger(RemoteFunction.find(at, database_url=database_url))
        yield lambda: nullcontext(ledger)
    else:
        with open_engine(find_database(database_url, at)) as engine:
            yield partial(read_database, Watchdog(engine))


def _parse_since(text: str) -> datetime:
    now = datetime.now(UTC)
    begin = parse_when(text, now)
    if begin > now:
        raise Failure(f"--since {text} is in the future: give an earlier time", USAGE)
    return begin


@contextmanager
def _open_ids(name: str | None) -> Iterator[TextIO | None]:
    """Open the file of ids, or stdin for `-`; give None if no file was named.

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


def _read_ids(lines: TextIO) -> Iterator[UUID]:
    """Read an id or a receipt from each line; empty lines are skipped.

    Raises:
        Failure: a line holds something else. Nothing has been printed by then, because the ids are read first.
    """
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                yield parse_id(line)
            except Failure as error:
                raise Failure(f"--ids: line {number}: {error}", USAGE) from None


def _finding_row(finding: AuditFinding) -> Row:
    return {"id": finding.id, "verdict": str(finding.discrepancy), "outcome": finding.outcome}


def _record(account: Account, *, as_json: bool) -> dict[str, Any]:
    """Return the account as a record with constant keys."""
    questions = [asdict(one) | {"settles_at": _format(one.settles_at)} for one in account.open_questions]
    return {
        "since": None if account.given is not None else account.since.isoformat(timespec="seconds"),
        "emitted": account.emitted,
        "applied": account.counts[APPLIED],
        "stale": account.counts[STALE],
        "dead": account.counts[DEAD],
        "expired": account.counts[EXPIRED],
        "pending": account.pending,
        "held": account.held,
        "purged": account.purged,
        "waiting": account.waiting.total,
        "dead_letters": account.dlq.scanned,
        "unread": account.dlq.unreadable,
        "foreign": account.dlq.foreign,
        "hidden": account.dlq.hidden,
        **{str(verdict): account.discrepancies[verdict] for verdict in Discrepancy},
        "result": str(account.verdict),
        "open": questions if as_json else ", ".join(one.cause for one in account.open_questions) or None,
    }


def _format(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat(timespec="seconds")


def _summarize(account: Account) -> None:
    """Print the sum and the meaning of each verdict on stderr."""
    parts = [*(account.counts[outcome] for outcome in (APPLIED, STALE, DEAD, EXPIRED)), account.pending]
    lost = account.discrepancies[Discrepancy.LOST] + account.discrepancies[Discrepancy.FORGOTTEN]
    missing = f", and {lost} lost or forgotten" if lost else ""
    limits = "" if account.given is not None else ", as far as known: the main queue's count is approximate"
    so_far = "so far, " if account.open_questions else ""
    total = " + ".join(map(str, parts))
    sides = "applied + stale + dead + expired + pending"
    echo_err(f"{so_far}emitted {account.emitted} = {total} ({sides}){missing}{limits}")
    if account.dlq.scanned:
        echo_err(f"Reading {account.dlq.scanned} dead letters counted as one receive of each.")
    for verdict, meaning in _MEANINGS.items():
        if account.discrepancies[verdict]:
            echo_err(f"{account.discrepancies[verdict]} {verdict}: {meaning}")
    echo_err(_describe_verdict(account))


def _describe_verdict(account: Account) -> str:
    odd = account.unreconciled
    still_open = "".join(f"\n  {_describe_question(one)}" for one in account.open_questions)
    if account.verdict == Verdict.DOES_NOT_ADD_UP:
        found = f"does not add up: {odd} discrepanc{'y' if odd == 1 else 'ies'}"
        return f"{found}. Not decided besides:{still_open}" if still_open else found
    return f"not yet decided, no discrepancies so far:{still_open}" if still_open else "adds up: no discrepancies"


def _describe_question(one: OpenQuestion) -> str:
    at = f", at the earliest {_format(one.settles_at)}" if one.settles_at else ""
    return f"{one.count} {_QUESTIONS[one.cause]}{at}"
