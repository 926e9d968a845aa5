"""Records of operations on dead letters: who did what, to which dead letters, and how it ended.

A record is inserted before the operation begins. A record without an end belongs to an operation that was killed.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import JSON, Boolean, Column, DateTime, Engine, MetaData, Table, Text, Uuid, func, select
from sqlalchemy.exc import SQLAlchemyError

from penstock.database.ledger import SCHEMA

DONE: Final = "done"
FAILED: Final = "failed"
INTERRUPTED: Final = "interrupted"

_logger = logging.getLogger(__name__)

operation = Table(
    "operation",
    MetaData(schema=SCHEMA),
    Column("id", Uuid, primary_key=True),
    Column("action", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("selection", JSON, nullable=False),
    Column("begun_at", DateTime(timezone=True), nullable=False, server_default=func.pg_catalog.clock_timestamp()),
    Column("ended_at", DateTime(timezone=True)),
    Column("outcome", Text),
    Column("counts", JSON),
)


@dataclass(slots=True)
class Operation:
    """A running operation.

    Attributes:
        action: `replay`, `purge` and so on.
        actor: the operator who runs it.
        id: the id of the record.
        counts: the number of dead letters by result so far; the caller updates it.
        outcome: how it ends; the caller may set it, for a failure that raises nothing.
    """

    action: str
    actor: str
    id: UUID = field(default_factory=uuid4)
    counts: Mapping[str, int] = field(default_factory=dict)
    outcome: str = DONE


@dataclass(frozen=True, slots=True)
class OperationRecord:
    """The record of an operation.

    Attributes:
        id: the id of the record.
        action: `replay`, `purge` and so on.
        actor: the operator who ran it.
        selection: which dead letters it applied to; it may quote an intent's values.
        begun_at: when it began, by the database's clock.
        ended_at: when it ended; None if it runs, or was killed.
        outcome: how it ended; None if it runs, or was killed.
        counts: the number of dead letters by result.
    """

    id: UUID
    action: str
    actor: str
    selection: Mapping[str, Any]
    begun_at: datetime
    ended_at: datetime | None
    outcome: str | None
    counts: Mapping[str, int] | None


def read_operations(engine: Engine, limit: int) -> list[OperationRecord]:
    """Return the records of the newest operations, the newest first, `limit` at most.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the database is away, or has no such table.
    """
    newest = select(operation).order_by(operation.c.begun_at.desc()).limit(limit)
    with engine.connect() as connection:
        return [OperationRecord(**row) for row in connection.execute(newest).mappings()]


def find_operations(engine: Engine, id_: str) -> list[OperationRecord]:
    """Return the records of operations whose id begins with a text: two at most, to see if there are several.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the database is away, or has no such table.
    """
    begins = func.pg_catalog.starts_with(operation.c.id.cast(Text), id_.strip().lower(), type_=Boolean())
    with engine.connect() as connection:
        rows = connection.execute(select(operation).where(begins).limit(2)).mappings()
        return [OperationRecord(**row) for row in rows]


@contextmanager
def recorded(engine: Engine | None, action: str, actor: str, selection: Mapping[str, Any]) -> Iterator[Operation]:
    """Record an operation in the database and the log, however it ends.

    The log does not contain the selection, since that may quote an intent's values.

    Args:
        engine: an engine of the database; None to record in the log only.
        action: `replay`, `purge` and so on.
        actor: the operator who runs it.
        selection: which dead letters it applies to, as values that JSON can hold.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the record cannot be inserted; the operation has not begun.
    """
    one = Operation(action, actor)
    if engine:
        _begin(engine, one, selection)
    try:
        yield one
    except Exception:
        one.outcome = FAILED if one.outcome == DONE else one.outcome
        raise
    except BaseException:
        one.outcome = INTERRUPTED
        raise
    finally:
        _end(engine, one)


def _begin(engine: Engine, one: Operation, selection: Mapping[str, Any]) -> None:
    values = {"id": one.id, "action": one.action, "actor": one.actor, "selection": dict(selection)}
    with engine.begin() as connection:
        connection.execute(operation.insert().values(values))


def _end(engine: Engine | None, one: Operation) -> None:
    """Record the end. A database error is only logged, since the operation itself has already been done."""
    ended = {"ended_at": func.pg_catalog.clock_timestamp(), "outcome": one.outcome, "counts": dict(one.counts)}
    context: dict[str, Any] = {
        "operation": str(one.id),
        "actor": one.actor,
        "outcome": one.outcome,
        "counts": dict(one.counts),
    }
    _logger.info("%s %s", one.action, one.outcome, extra={**context, "action": f"dead_letters_{one.action}"})
    if engine is None:
        return
    try:
        with engine.begin() as connection:
            connection.execute(operation.update().where(operation.c.id == one.id).values(ended))
    except SQLAlchemyError as error:
        _logger.warning(
            "the end of operation %s is not recorded: %s",
            one.id,
            type(error).__name__,
            extra={**context, "action": "operation_unrecorded"},
        )
