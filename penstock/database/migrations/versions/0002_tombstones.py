"""Tombstones of deleted rows."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the table."""
    op.execute(
        """
        CREATE TABLE penstock.tombstone (
            target text NOT NULL,
            key jsonb NOT NULL,
            version text NOT NULL,
            buried_at timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (target, key)
        )
        """
    )


def downgrade() -> None:
    """Drop it; with it goes the knowledge of what must not come back."""
    op.execute("DROP TABLE penstock.tombstone")
