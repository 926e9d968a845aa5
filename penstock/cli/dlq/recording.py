"""Recording what a command does."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from penstock.cli.dlq.messages import counted, tell
from penstock.cli.support.actor import actor
from penstock.cli.support.database import find_database, open_engine
from penstock.cli.support.errors import FAILED, Failure
from penstock.cli.support.options import Target
from penstock.cli.support.output import escape_control
from penstock.cli.support.stage import Stage
from penstock.database.operations import Operation, recorded

NoRecordOption = Annotated[
    bool, typer.Option("--no-record", help="Go on without a record, where the database is out of reach.")
]


@dataclass(frozen=True, slots=True)
class OperationSpec:
    """What a command is about to do.

    Attributes:
        action: `replay`, `purge` and so on.
        selection: what it is about, in a form that JSON takes.
        stage: where.
    """

    action: str
    selection: Mapping[str, Any]
    stage: Stage


@contextmanager
def recording(
    doing: OperationSpec, at: Target, database_url: str | None, *, no_record: bool
) -> Iterator[tuple[Operation, Engine | None]]:
    """Record an operation in the stage's database, and say on stderr how it ended; give the database, too.

    Raises:
        Failure: the record cannot be begun; nothing has been done.
    """
    who = actor(doing.stage)
    if no_record:
        with recorded(None, doing.action, who, doing.selection) as operation, _telling(operation, "no record"):
            yield operation, None
        return
    begun = False
    try:
        with (
            open_engine(find_database(database_url, at)) as engine,
            recorded(engine, doing.action, who, doing.selection) as operation,
            _telling(operation, f"operation {operation.id}"),
        ):
            begun = True
            yield operation, engine
    except (Failure, SQLAlchemyError) as error:
        if begun:
            raise
        hint = "Nothing was done: it would not be on record. --no-record goes on without"
        code = error.code if isinstance(error, Failure) else FAILED
        raise Failure(f"{first_line(error)}\n{hint}", code) from error


def first_line(error: Exception) -> str:
    """Return what the driver says of a database's error: its further lines may hold values."""
    if isinstance(error, DBAPIError):
        return escape_control(str(error.orig).strip().splitlines()[0])
    return str(error)


@contextmanager
def _telling(operation: Operation, record: str) -> Iterator[None]:
    """Say in a line how far it came, whatever ends it."""
    stopped = "stopped; so far: "
    try:
        yield
        stopped = ""
    finally:
        done = counted(operation.counts, "nothing done")
        tell(f"{stopped}{done} ({record}, by {operation.actor})")
