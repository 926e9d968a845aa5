"""The outbox: events about outcomes that wait to be sent. Each is written in the transaction of its outcome.

A sender locks some rows, sends them, and deletes those that were accepted, in one transaction. Rows that another
sender has locked are skipped. If a sender is killed in between, the rows are there still, and are sent again.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Column,
    Connection,
    DateTime,
    Identity,
    MetaData,
    Table,
    Text,
    Uuid,
    bindparam,
    func,
    select,
    text,
)

from penstock.database.ledger import SCHEMA

MOST_COUNTED: Final = 10_000
"""A backlog is counted up to here: a monitor must not read a large table each few seconds."""

outbox = Table(
    "outbox",
    MetaData(schema=SCHEMA),
    Column("position", BigInteger, Identity(always=True), primary_key=True),
    Column("id", Uuid, nullable=False),
    Column("kind", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("reason", Text),
    Column("stated_at", DateTime(timezone=True), nullable=False),
    Column("settled_at", DateTime(timezone=True), nullable=False),
)
"""The events that wait, in about the order in which they were written."""

_LOCK = (
    select(outbox)
    .where(outbox.c.position > bindparam("after"))
    .order_by(outbox.c.position)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
)
_DELETE = outbox.delete().where(outbox.c.position == func.any(bindparam("positions", type_=ARRAY(BigInteger))))
_READABLE = text(
    "SELECT pg_catalog.has_table_privilege(pg_catalog.to_regclass(CAST(:name AS text)), 'SELECT') IS TRUE"
)
_BACKLOG = text(
    "SELECT pg_catalog.count(*) AS events,"
    " EXTRACT(epoch FROM pg_catalog.clock_timestamp() - pg_catalog.min(settled_at)) AS oldest"
    " FROM (SELECT settled_at FROM penstock.outbox ORDER BY position LIMIT :most) AS waiting"
)


@dataclass(frozen=True, slots=True)
class OutcomeEvent:
    """An event that waits.

    Attributes:
        position: its place in the outbox.
        id: the intent's id.
        kind: the intent's kind.
        outcome: its outcome, such as `applied`.
        reason: the stable name of the cause, if it is dead.
        stated_at: when the intent was created, by the emitter's clock.
        settled_at: when the outcome was written, by the database's clock.
    """

    position: int
    id: UUID
    kind: str
    outcome: str
    reason: str | None
    stated_at: datetime
    settled_at: datetime


@dataclass(frozen=True, slots=True)
class Backlog:
    """The events that wait to be sent.

    Attributes:
        count: how many, `MOST_COUNTED` at most.
        oldest_seconds: how long the oldest of them has waited; None if there is none.
    """

    count: int
    oldest_seconds: float | None


def lock_events(connection: Connection, after: int, most: int) -> Sequence[OutcomeEvent]:
    """Lock events that no other sender has locked, until the end of the transaction.

    Args:
        connection: in a transaction.
        after: only events behind this position.
        most: how many at most.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the database refused the statement, or cannot be reached.
    """
    return [OutcomeEvent(*row) for row in connection.execute(_LOCK, {"after": after, "most": most})]


def delete_events(connection: Connection, positions: Collection[int]) -> None:
    """Delete events that were sent.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the database refused the statement, or cannot be reached.
    """
    if positions:
        connection.execute(_DELETE, {"positions": list(positions)})


def read_backlog(connection: Connection) -> Backlog | None:
    """Return what waits to be sent; None if there is no outbox, or the role may not read it.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the database refused the statement, or cannot be reached.
    """
    if not connection.execute(_READABLE, {"name": outbox.fullname}).scalar_one():
        return None
    row = connection.execute(_BACKLOG, {"most": MOST_COUNTED}).one()
    return Backlog(row.events, None if row.oldest is None else float(row.oldest))
