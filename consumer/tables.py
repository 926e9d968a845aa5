"""The shop's tables, as the migrations in infra/migrations create them."""

from sqlalchemy import CheckConstraint, Column, DateTime, Integer, MetaData, Numeric, Table, Text, Uuid

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

# Two groups of columns: the order of the customer, and its status. Either may arrive first.
orders = Table(
    "orders",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    Column("customer", Text),
    Column("total", Numeric(12, 2)),
    Column("placed_at", DateTime(timezone=True)),
    Column("status", Text),
    Column("status_changed_at", DateTime(timezone=True)),
)

# Each status that an order ever had, also one that arrives late.
order_status_history = Table(
    "order_status_history",
    metadata,
    Column("intent_id", Uuid, primary_key=True),
    Column("order_id", Uuid, nullable=False),
    Column("status", Text, nullable=False),
    Column("changed_at", DateTime(timezone=True), nullable=False),
)

stock = Table(
    "stock",
    metadata,
    Column("sku", Text, primary_key=True),
    Column("quantity", Integer, nullable=False),
)

outbox = Table(
    "outbox",
    metadata,
    Column("intent_id", Uuid, primary_key=True),
    Column("recipient", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("requested_at", DateTime(timezone=True), nullable=False),
)
