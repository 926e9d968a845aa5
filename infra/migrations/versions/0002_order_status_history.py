"""Create the history of the status of orders."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create the table."""
    op.execute(
        """
        CREATE TABLE order_status_history (
            intent_id uuid PRIMARY KEY,
            order_id uuid NOT NULL,
            status text NOT NULL,
            changed_at timestamptz NOT NULL
        )
        """
    )


def downgrade() -> None:
    """Drop the table."""
    op.execute("DROP TABLE order_status_history")
