"""An index of the tombstones by age, for their deletion."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Create the index."""
    op.execute("CREATE INDEX tombstone_buried_at ON penstock.tombstone (buried_at)")


def downgrade() -> None:
    """Drop the index."""
    op.execute("DROP INDEX penstock.tombstone_buried_at")
