"""`penstock ledger`: the ledger's entry of one intent."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import typer

from penstock.cli.support.database import DatabaseOption, find_database, open_engine
from penstock.cli.support.errors import USAGE, Failure
from penstock.cli.support.options import JsonOption, Target, on_stage
from penstock.cli.support.record import print_record
from penstock.database.ledger_entries import LedgerEntry, find_entry
from penstock.database.retention import KEPT_DAYS
from penstock.database.watchdog import Watchdog
from penstock.intents.receipts import identify

app = typer.Typer(
    help="Find an intent in the ledger.",
    epilog="Example: penstock ledger show 0199a4c2-6a7e-7cc0-8d2e-0b8f6f1f3c11",
    no_args_is_help=True,
)

_TIMEOUT_SECONDS = 15.0
_TIMES = ("stated_at", "settled_at", "reused_at")


@app.callback()
def group() -> None:
    """Find an intent in the ledger."""


@app.command(
    "show",
    epilog="Examples: penstock ledger show 0199a4c2-6a7e-7cc0-8d2e-0b8f6f1f3c11 · "
    "penstock ledger show AQGZpMJqfnzAjS4Lj28fPBE… --json",
)
@on_stage
def show(
    *,
    given: Annotated[
        str,
        typer.Argument(metavar="ID", help="The intent's id, or its receipt, whose signature is not verified."),
    ],
    at: Target,
    database_url: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the ledger's entry of an intent: the outcome, the times, and the fault of a dead one.

    A fault consists of names and codes; no value of the intent is shown. The exit code is 1 if the ledger has no
    entry of it.
    """
    id_ = parse_id(given)
    url = find_database(database_url, at)
    with open_engine(url) as engine, Watchdog(engine).transaction(_TIMEOUT_SECONDS) as connection:
        entry = find_entry(connection, id_)
    if entry is None:
        raise Failure(
            f"the ledger has no entry of {id_}: the intent is still on a queue, or was never emitted, or could "
            f"not be read (`penstock dlq list` shows it), or was settled over {KEPT_DAYS} days ago"
        )
    print_record(_record(entry, as_json=as_json), as_json=as_json, times=_TIMES)


def parse_id(text: str) -> UUID:
    """Parse an intent's id or its receipt.

    Raises:
        Failure: the text is neither.
    """
    try:
        return identify(text.strip())
    except ValueError:
        raise Failure(f"{text.strip()[:80]!r} is neither an intent's id nor a receipt", USAGE) from None


def _record(entry: LedgerEntry, *, as_json: bool) -> dict[str, Any]:
    """Return an entry as a record. Except in JSON, each field of the fault is a separate key."""
    record = {name: _plain(value) for name, value in entry.as_row().items()}
    if as_json:
        return record
    fault: dict[str, Any] = record.pop("fault") or {}
    return record | {
        f"fault.{name}": ", ".join(map(str, value)) if isinstance(value, list) else value
        for name, value in fault.items()
    }


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value
