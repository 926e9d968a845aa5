"""The ledger: which intents have taken effect, written in the same transaction as their effects."""

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
PENDING = "pending"
"""Tried, and handed back to be tried again; an intent that the ledger does not know is pending, too."""

SCHEMA = "penstock"

# As the migrations make it, which also hold its constraints.
ledger = Table(
    "ledger",
    MetaData(schema=SCHEMA),
    Column("id", Uuid, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("fault", JSON(none_as_null=True)),
    Column("attempts", SmallInteger, nullable=False, server_default="0"),
    Column("stated_at", DateTime(timezone=True), nullable=False),
    Column("settled_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    Column("digest", BigInteger),
    Column("reused_at", DateTime(timezone=True)),
)

past = ledger.to_metadata(MetaData(schema=SCHEMA), name="ledger_past")
"""The ledger's generation before this one: it is looked up, and never entered anything new."""

_MARK_PURGED = """
UPDATE penstock.{generation}
   SET fault = (fault::jsonb || jsonb_build_object('purged', CAST(:operation AS text)))::json
 WHERE id = ANY (:ids) AND outcome = 'dead'
"""


def mark_purged(engine: Engine, ids: Collection[UUID], operation: UUID) -> None:
    """Enter that the dead letters of these intents were deleted on purpose.

    Args:
        engine: of the database.
        ids: the intents'; those that are not dead are left as they are.
        operation: the record of who did it.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the database refused, or is away.
    """
    with engine.begin() as connection:
        for generation in (ledger, past):
            statement = text(_MARK_PURGED.format(generation=generation.name))
            connection.execute(statement, {"ids": sorted(ids), "operation": str(operation)})
