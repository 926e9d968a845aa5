"""The ledger: which intents have taken effect, written in the same transaction as their effects."""

from sqlalchemy import (
    JSON,
    CheckConstraint,
    Column,
    DateTime,
    MetaData,
    Table,
    Text,
    Uuid,
    func,
)

APPLIED = "applied"
STALE = "stale"
DEAD = "dead"

SCHEMA = "penstock"

metadata = MetaData(schema=SCHEMA)

ledger = Table(
    "ledger",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("kind", Text, nullable=False),
    Column(
        "outcome",
        Text,
        CheckConstraint(f"outcome IN ('{APPLIED}', '{STALE}', '{DEAD}')", name="outcome"),
        nullable=False,
    ),
    Column("fault", JSON(none_as_null=True)),
    Column("stated_at", DateTime(timezone=True), nullable=False),
    Column("settled_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    CheckConstraint(f"(outcome = '{DEAD}') = (fault IS NOT NULL)", name="fault_when_dead"),
)
