"""The shop's first tables."""

from alembic import op

revision = "0001"
down_revision = None

TABLES = {
    "page_views": """
        path text NOT NULL,
        visitor uuid NOT NULL,
        referrer text,
        viewed_at timestamptz NOT NULL,
        duration_ms integer CONSTRAINT duration_within_a_day CHECK (duration_ms <= 86400000)
    """,
    "orders_placed": """
        order_id uuid NOT NULL,
        customer text NOT NULL,
        total numeric(12, 2) NOT NULL,
        placed_at timestamptz NOT NULL
    """,
    "order_status_changes": """
        order_id uuid NOT NULL,
        status text NOT NULL,
        changed_at timestamptz NOT NULL
    """,
    "stock_adjustments": """
        sku text NOT NULL,
        delta integer NOT NULL
    """,
    "emails_requested": """
        "to" text NOT NULL,
        subject text NOT NULL,
        body text NOT NULL
    """,
}


def upgrade() -> None:
    """Make them: one row per intent, under the intent's id."""
    for name, columns in TABLES.items():
        op.execute(f"CREATE TABLE {name} (intent_id uuid PRIMARY KEY, {columns})")


def downgrade() -> None:
    """Drop them."""
    for name in TABLES:
        op.execute(f"DROP TABLE {name}")
