"""The ledger: which intents have taken effect, written in the same transaction as their effects."""

from sqlalchemy import JSON, BigInteger, Column, DateTime, MetaData, SmallInteger, Table, Text, Uuid, func

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
