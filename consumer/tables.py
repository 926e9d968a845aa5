"""The shop's tables, as the migrations in infra/migrations make them."""

from sqlalchemy import (
    CheckConstraint,
    Column,
    DateTime,
    Integer,
    MetaData,
    Numeric,
    Table,
    Text,
    Uuid,
)

metadata = MetaData()

page_views = Table(
    "page_views",
    metadata,
    Column("intent_id", Uuid, primary_key=True),
    Column("path", Text, nullable=False),
    Column("visitor", Uuid, nullable=False),
    Column("referrer", Text),
    Column("viewed_at", DateTime(timezone=True), nullable=False),
    Column("duration_ms", Integer, CheckConstraint("duration_ms <= 86400000", name="duration_within_a_day")),
)

orders_placed = Table(
    "orders_placed",
    metadata,
    Column("intent_id", Uuid, primary_key=True),
    Column("order_id", Uuid, nullable=False),
    Column("customer", Text, nullable=False),
    Column("total", Numeric(12, 2), nullable=False),
    Column("placed_at", DateTime(timezone=True), nullable=False),
)

order_status_changes = Table(
    "order_status_changes",
    metadata,
    Column("intent_id", Uuid, primary_key=True),
    Column("order_id", Uuid, nullable=False),
    Column("status", Text, nullable=False),
    Column("changed_at", DateTime(timezone=True), nullable=False),
)

stock_adjustments = Table(
    "stock_adjustments",
    metadata,
    Column("intent_id", Uuid, primary_key=True),
    Column("sku", Text, nullable=False),
    Column("delta", Integer, nullable=False),
)

emails_requested = Table(
    "emails_requested",
    metadata,
    Column("intent_id", Uuid, primary_key=True),
    Column("to", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("body", Text, nullable=False),
)
