"""The ledger: the outcome of each intent, written in the same transaction as its effect."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    DateTime,
    Engine,
    MetaData,
    SmallInteger,
    Table,
    Text,
    Uuid,
    func,
    text,
)

APPLIED = "applied"
STALE = "stale"
DEAD = "dead"
EXPIRED = "expired"
"""Taken up after its time, and therefore not written."""
PENDING = "pending"
"""Tried, and returned to the queue; or held. An intent without an entry in the ledger is pending, too."""
HELD = "held"
"""The reason in the entry of a pending intent that waits for the release of its kind."""

SCHEMA = "penstock"

# The migrations create this table, and also its constraints.
ledger = Table(
    "ledger",
    MetaData(schema=SCHEMA),
    Column("id", Uuid, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("fault", JSON(none_as_null=True)),
    Column("attempts", SmallInteger, nullable=False, server_default="0"),
    Column("stated_at", DateTime(timezone=True), nullable=False),
    # Not now(), the beginning of the transaction: the time from emit to commit would not show that an upsert has
    # waited for its row.
    Column(
        "settled_at", DateTime(timezone=True), nullable=False, server_default=func.pg_catalog.clock_timestamp()
    ),
    Column("digest", BigInteger),
    Column("reused_at", DateTime(timezone=True)),
)
"""The table of intent ids with their outcome."""

past = ledger.to_metadata(MetaData(schema=SCHEMA), name="ledger_past")
"""The past generation of the ledger: it is read, but gets no new entries."""

_MARK_PURGED = """
UPDATE penstock.{generation}
   SET fault = (fault::jsonb || pg_catalog.jsonb_build_object('purged', CAST(:operation AS text)))::json
 WHERE id = ANY (:ids) AND outcome = 'dead'
"""


def mark_purged(engine: Engine, ids: Collection[UUID], operation: UUID) -> None:
    """Record in the ledger that the dead letters of these intents were deleted on purpose.

    Args:
        engine: an engine of the database.
        ids: the ids of the intents; those that are not dead are not changed.
        operation: the id of the operation that deleted them.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the database refused the statement, or cannot be reached.
    """
    with engine.begin() as connection:
        for generation in (ledger, past):
            statement = text(_MARK_PURGED.format(generation=generation.name))
            connection.execute(statement, {"ids": sorted(ids), "operation": str(operation)})
