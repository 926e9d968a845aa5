"""Record what a command does, in the stage's database."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from penstock.cli.support.actor import actor
from penstock.cli.support.database import CHECK_THE_DATABASE, database_message, find_database, open_engine
from penstock.cli.support.errors import FAILED, Failure
from penstock.cli.support.options import Target
from penstock.cli.support.output import echo_err, format_counts
from penstock.cli.support.stage import Stage
from penstock.database.operations import Operation, recorded

NoRecordOption = Annotated[
    bool, typer.Option("--no-record", help="Run without a record, for when the database is unreachable.")
]


@dataclass(frozen=True, slots=True)
class OperationSpec:
    """The operation that a command is about to run.

    Attributes:
        action: `replay`, `purge` and so on.
        selection: the selected dead letters and the options, as values that JSON can hold.
        stage: the stage it runs on.
    """

    action: str
    selection: Mapping[str, Any]
    stage: Stage


@contextmanager
def operations_database(at: Target, database_url: str | None, *, no_record: bool) -> Iterator[Engine | None]:
    """Give an engine of the database of the records; None without one. It connects when it is used.

    Args:
        at: the options that name the stage.
        database_url: the value of `--database-url`.
        no_record: whether to run without the database.

    Raises:
        Failure: the database is not known.
    """
    if no_record:
        yield None
        return
    try:
        url = find_database(database_url, at)
    except Failure as error:
        raise _nothing_done(error) from error
    with open_engine(url) as engine:
        yield engine


@contextmanager
def recording(spec: OperationSpec, engine: Engine | None) -> Iterator[Operation]:
    """Record an operation in the stage's database, and print its counts on stderr when it ends.

    Args:
        spec: the operation.
        engine: an engine of the database of the records; None to run without a record.

    Raises:
        Failure: the record cannot be created; the operation has not started.
    """
    begun = False
    try:
        with (
            recorded(engine, spec.action, actor(spec.stage), spec.selection) as operation,
            _reporting(operation, f"operation {operation.id}" if engine else "no record"),
        ):
            begun = True
            yield operation
    except SQLAlchemyError as error:
        if begun:
            raise
        raise _nothing_done(error) from error


def _nothing_done(error: Failure | SQLAlchemyError) -> Failure:
    check = f"\n{CHECK_THE_DATABASE}" if isinstance(error, OperationalError) else ""
    hint = "Nothing was done, because it could not be recorded. --no-record runs it without a record"
    code = error.code if isinstance(error, Failure) else FAILED
    return Failure(f"{database_message(error)}{check}\n{hint}", code)


@contextmanager
def _reporting(operation: Operation, record: str) -> Iterator[None]:
    """Print the operation's counts on stderr, also after an error or an interruption."""
    stopped = "stopped; so far: "
    try:
        yield
        stopped = ""
    finally:
        counts = format_counts(operation.counts, "nothing done")
        echo_err(f"{stopped}{counts} ({record}, by {operation.actor})")
