"""Records of what operators do: who did what to which dead letters, and how it ended.

A record is begun before anything is done. One without an end is of an operation that was killed.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import JSON, Column, DateTime, Engine, MetaData, Table, Text, Uuid, func
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
    Column("begun_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    Column("ended_at", DateTime(timezone=True)),
    Column("outcome", Text),
    Column("counts", JSON),
)


@dataclass(slots=True)
class Operation:
    """An operation under way.

    Attributes:
        action: `replay`, `purge` and so on.
        actor: who does it.
        id: the record's id.
        counts: how many dead letters had each outcome so far; whoever does it keeps this up to date.
        outcome: how it ends; whoever does it may know better than what is raised tells.
    """

    action: str
    actor: str
    id: UUID = field(default_factory=uuid4)
    counts: Mapping[str, int] = field(default_factory=dict)
    outcome: str = DONE


@contextmanager
def recorded(engine: Engine | None, action: str, actor: str, selection: Mapping[str, Any]) -> Iterator[Operation]:
    """Record an operation, in the database and the log, whatever becomes of it.

    The log has everything but the selection, which may quote an intent's values.

    Args:
        engine: of the database; None for the log alone.
        action: `replay`, `purge` and so on.
        actor: who does it.
        selection: what it is about, in a form that JSON takes.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the record cannot be begun; nothing has been done.
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
    named = {"id": one.id, "action": one.action, "actor": one.actor, "selection": dict(selection)}
    with engine.begin() as connection:
        connection.execute(operation.insert().values(named))


def _end(engine: Engine | None, one: Operation) -> None:
    """Enter the end. What was done is done: a database that has gone away meanwhile does not undo it."""
    ended = {"ended_at": func.clock_timestamp(), "outcome": one.outcome, "counts": dict(one.counts)}
    named: dict[str, Any] = {
        "operation": str(one.id),
        "actor": one.actor,
        "outcome": one.outcome,
        "counts": dict(one.counts),
    }
    _logger.info("%s %s", one.action, one.outcome, extra={**named, "action": f"dead_letters_{one.action}"})
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
            extra={**named, "action": "operation_unrecorded"},
        )
