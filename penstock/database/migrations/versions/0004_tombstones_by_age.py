"""An index of the tombstones by age, for their deletion."""

from alembic import op

from penstock.database.indexes import create_if_small

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Create the index; a large table gets it after the migrations."""
    create_if_small(op.get_bind(), "_buried_at")


def downgrade() -> None:
    """Drop the index."""
    op.execute("DROP INDEX IF EXISTS penstock.tombstone_buried_at")
