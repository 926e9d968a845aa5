"""Record what a command does, in the stage's database."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from penstock.cli.support.actor import actor
from penstock.cli.support.database import database_message, find_database, open_engine
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
def recording(
    spec: OperationSpec, at: Target, database_url: str | None, *, no_record: bool
) -> Iterator[tuple[Operation, Engine | None]]:
    """Record an operation in the stage's database, and print its counts on stderr when it ends.

    Args:
        spec: the operation.
        at: the options that name the stage.
        database_url: the value of `--database-url`.
        no_record: whether to run without the database.

    Yields:
        The operation, and the database's engine; None in its place if `no_record` is set.

    Raises:
        Failure: the record cannot be created; the operation has not started.
    """
    who = actor(spec.stage)
    if no_record:
        with (
            recorded(None, spec.action, who, spec.selection) as operation,
            _reporting(operation, "no record"),
        ):
            yield operation, None
        return
    begun = False
    try:
        with (
            open_engine(find_database(database_url, at)) as engine,
            recorded(engine, spec.action, who, spec.selection) as operation,
            _reporting(operation, f"operation {operation.id}"),
        ):
            begun = True
            yield operation, engine
    except (Failure, SQLAlchemyError) as error:
        if begun:
            raise
        hint = "Nothing was done, because it could not be recorded. --no-record runs it without a record"
        code = error.code if isinstance(error, Failure) else FAILED
        raise Failure(f"{database_message(error)}\n{hint}", code) from error


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
