"""Tombstones of deleted rows."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create the table."""
    op.execute(
        """
        CREATE TABLE penstock.tombstone (
            target text NOT NULL,
            key jsonb NOT NULL,
            version text NOT NULL,
            buried_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
            PRIMARY KEY (target, key)
        )
        """
    )


def downgrade() -> None:
    """Drop the table. After that, an older write can bring a deleted row back."""
    op.execute("DROP TABLE penstock.tombstone")
