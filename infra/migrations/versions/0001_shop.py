"""Create the shop's first tables."""

from alembic import op

revision = "0001"
down_revision = None

TABLES = {
    "page_views": """
        intent_id uuid PRIMARY KEY,
        path text NOT NULL,
        visitor uuid NOT NULL,
        referrer text,
        viewed_at timestamptz NOT NULL,
        duration_ms integer CONSTRAINT duration_within_a_day CHECK (duration_ms <= 86400000)
    """,
    "orders": """
        order_id uuid PRIMARY KEY,
        customer text,
        total numeric(12, 2),
        placed_at timestamptz,
        status text,
        status_changed_at timestamptz
    """,
    "stock": """
        sku text PRIMARY KEY,
        quantity integer NOT NULL
    """,
    "outbox": """
        intent_id uuid PRIMARY KEY,
        recipient text NOT NULL,
        subject text NOT NULL,
        body text NOT NULL,
        requested_at timestamptz NOT NULL
    """,
}


def upgrade() -> None:
    """Create the tables."""
    for name, columns in TABLES.items():
        op.execute(f"CREATE TABLE {name} ({columns})")


def downgrade() -> None:
    """Drop the tables."""
    for name in TABLES:
        op.execute(f"DROP TABLE {name}")
