"""`penstock dlq log`: the operations on record."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

import typer
from sqlalchemy.exc import SQLAlchemyError

from penstock.cli.dlq.table import time_column
from penstock.cli.support.column import Column
from penstock.cli.support.database import DatabaseOption, database_message, find_database, open_engine
from penstock.cli.support.errors import FAILED, USAGE, Failure
from penstock.cli.support.listing import print_rows
from penstock.cli.support.options import JsonOption, Target, on_stage
from penstock.cli.support.output import echo_err, format_counts, format_duration
from penstock.cli.support.record import print_record
from penstock.database.operations import OperationRecord, find_operations, read_operations

_WITHOUT_END: Final = "running or killed"
_MAY_QUOTE: Final = frozenset({"where", "edit"})
"""Parts of a selection that may quote values of intents: the list has only their length."""
_SHORT: Final = 8
"""The characters of an id on a terminal. `penstock dlq log` accepts them in place of all of it."""
_TIMES: Final = ("begun_at", "ended_at")


@on_stage
def log_(
    *,
    at: Target,
    id_: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="The id of an operation, or the beginning of it.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="List at most this many.")] = 20,
    as_json: JsonOption = False,
    database_url: DatabaseOption = None,
) -> None:
    """List what was done with dead letters, the newest first: who, when, which ones, and how it ended.

    `replay`, `purge`, `import` and `copy` are on record, with the edit of a replay. With ID, the whole record of
    one operation: its --where and --edit may quote values of intents, so the list has only their length.
    """
    with open_engine(find_database(database_url, at)) as engine:
        try:
            found = read_operations(engine, limit) if id_ is None else find_operations(engine, id_)
        except SQLAlchemyError as error:
            raise Failure(f"the records cannot be read: {database_message(error)}") from error
    if id_ is not None:
        print_record(_whole(_only(id_, found), as_json=as_json), as_json=as_json, times=_TIMES)
        return
    print_rows(map(_listed, found), _COLUMNS, as_json=as_json)
    if not found:
        echo_err("There are no operations on record.")
    elif len(found) == limit:
        echo_err("There can be more: list more of them with --limit.")


def _only(id_: str, found: list[OperationRecord]) -> OperationRecord:
    """Return the one operation that was found.

    Raises:
        Failure: there is none, or there are several.
    """
    if not found:
        raise Failure(f"no operation has the id {id_}: `penstock dlq log` lists them", FAILED)
    if len(found) > 1:
        raise Failure(f"several operations have an id that begins with {id_}: give more of it", USAGE)
    return found[0]


def _listed(one: OperationRecord) -> dict[str, Any]:
    """Return an operation as a row, without values of intents."""
    selection = {
        name: f"text of {len(str(value))}" if name in _MAY_QUOTE else value
        for name, value in one.selection.items()
    }
    took = (one.ended_at - one.begun_at).total_seconds() if one.ended_at else None
    return {
        "id": str(one.id),
        "begun_at": one.begun_at.isoformat(timespec="seconds"),
        "ended_at": one.ended_at and one.ended_at.isoformat(timespec="seconds"),
        "took": took,
        "action": one.action,
        "actor": one.actor,
        "outcome": one.outcome,
        "counts": dict(one.counts or {}),
        "selection": selection,
    }


def _whole(one: OperationRecord, *, as_json: bool) -> dict[str, Any]:
    row = _listed(one) | {"selection": dict(one.selection)}
    return row if as_json else {name: _text(name, value) for name, value in row.items()}


def _text(name: str, value: Any) -> object:
    """Return a value of a row as text."""
    match name:
        case "took":
            return None if value is None else format_duration(value)
        case "outcome":
            return value or _WITHOUT_END
        case "counts":
            return format_counts(value, "nothing")
        case "selection":
            return _describe(value)
    return value


def _describe(selection: Mapping[str, Any]) -> str:
    """Return a selection in one line, such as `kinds email.requested, limit 10`."""
    given = {name: value for name, value in selection.items() if value is not None}
    return ", ".join(name if value is True else f"{name} {_join(value)}" for name, value in given.items())


def _join(value: Any) -> str:
    return "|".join(map(str, value)) if isinstance(value, list) else str(value)


_COLUMNS: Final = (
    Column(name="id", whole=True, shown=lambda row: row["id"][:_SHORT]),
    time_column("begun_at", "begun"),
    Column(name="took", of=lambda row: _text("took", row["took"]), right=True, rank=1),
    Column(name="action"),
    Column(name="actor"),
    Column(
        name="outcome",
        of=lambda row: _text("outcome", row["outcome"]),
        styles={"failed": "red", "interrupted": "yellow", _WITHOUT_END: "yellow"},
    ),
    Column(name="counts", of=lambda row: _text("counts", row["counts"])),
    Column(name="selection", of=lambda row: _text("selection", row["selection"]), below=True),
)
