"""Tombstones by age, for whatever prunes them."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make the index."""
    op.execute("CREATE INDEX tombstone_buried_at ON penstock.tombstone (buried_at)")


def downgrade() -> None:
    """Drop it."""
    op.execute("DROP INDEX penstock.tombstone_buried_at")
