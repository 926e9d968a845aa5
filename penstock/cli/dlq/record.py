"""Recording what a command does."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from sqlalchemy import Engine

from penstock.cli.actor import actor
from penstock.cli.database import connecting, find_database
from penstock.cli.dlq.talk import counted, tell
from penstock.cli.failure import Failure
from penstock.cli.options import Target
from penstock.cli.stage import Stage
from penstock.database.operations import Operation, recorded

NoRecordOption = Annotated[
    bool, typer.Option("--no-record", help="Go on without a record, where the database is out of reach.")
]


@dataclass(frozen=True, slots=True)
class Doing:
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
    doing: Doing, at: Target, database_url: str | None, *, no_record: bool
) -> Iterator[tuple[Operation, Engine | None]]:
    """Record an operation in the stage's database, and say on stderr how it ended; give the database, too.

    Raises:
        Failure: the record cannot be begun; nothing has been done.
    """
    who = actor(doing.stage)
    if no_record:
        with recorded(None, doing.action, who, doing.selection) as operation, _telling(operation):
            yield operation, None
        return
    begun = False
    try:
        with (
            connecting(find_database(database_url, at)) as engine,
            recorded(engine, doing.action, who, doing.selection) as operation,
            _telling(operation),
        ):
            begun = True
            yield operation, engine
    except Failure as error:
        if begun:
            raise
        way_out = "Nothing was done: it would not be on record. --no-record goes on without"
        raise Failure(f"{error}\n{way_out}", error.code) from error


@contextmanager
def _telling(operation: Operation) -> Iterator[None]:
    try:
        yield
    finally:
        tell(f"{operation.action} by {operation.actor}: {counted(operation.counts, 'nothing done')}")
        tell(f"operation {operation.id}")
