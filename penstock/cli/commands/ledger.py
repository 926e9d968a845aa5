"""`penstock ledger`: what the ledger knows of one intent."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import typer

from penstock.cli.support.database import DatabaseOption, connecting, find_database
from penstock.cli.support.errors import USAGE, Failure
from penstock.cli.support.options import JsonOption, Target, on_stage
from penstock.cli.support.output import print_line
from penstock.database.ledger_entries import LedgerEntry, find_entry
from penstock.database.retention import KEPT_DAYS
from penstock.database.watchdog import Watchdog
from penstock.intents.receipts import identify

app = typer.Typer(
    help="Look an intent up in the ledger.",
    epilog="Example: penstock ledger show 0199a4c2-6a7e-7cc0-8d2e-0b8f6f1f3c11",
    no_args_is_help=True,
)

_SECONDS = 15.0


@app.callback()
def group() -> None:
    """Look an intent up in the ledger."""


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
        typer.Argument(
            metavar="ID", help="The intent's id, or its receipt; whether that is genuine is not checked."
        ),
    ],
    at: Target,
    database_url: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what the ledger knows of an intent: outcome, times, and the fault of one that did not land.

    There is no value of the intent in it: a fault is names and codes. Exit code 1 if the ledger does not know it.
    """
    id_ = id_of(given)
    url = find_database(database_url, at)
    with connecting(url) as engine, Watchdog(engine).transaction(_SECONDS) as connection:
        entry = find_entry(connection, id_)
    if entry is None:
        raise Failure(
            f"the ledger does not know {id_}: it is still on a queue, or was never emitted, or could not be read "
            f"(`penstock dlq list` shows it then), or was settled over {KEPT_DAYS} days ago and is forgotten"
        )
    _print(entry, as_json=as_json)


def id_of(text: str) -> UUID:
    """Read an intent's id or its receipt.

    Raises:
        Failure: it is neither.
    """
    try:
        return identify(text.strip())
    except ValueError:
        raise Failure(f"{text.strip()[:80]!r} is neither an intent's id nor a receipt", USAGE) from None


def _print(entry: LedgerEntry, *, as_json: bool) -> None:
    row = {name: _plain(value) for name, value in entry.as_row().items()}
    if as_json:
        print_line(row, as_json=True)
        return
    fault: dict[str, Any] = row.pop("fault") or {}
    for name, value in (row | {f"fault.{key}": _joined(found) for key, found in fault.items()}).items():
        print_line((name, value), as_json=False)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value


def _joined(value: Any) -> Any:
    return ", ".join(map(str, value)) if isinstance(value, list) else value
