"""An index of the unsettled entries, dead or pending, so that the many settled ones are not read."""

from alembic import op

from penstock.database.indexes import create_if_small

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Create a partial index on each generation, without the settled entries."""
    create_if_small(op.get_bind(), "_unsettled")


def downgrade() -> None:
    """Drop the indexes."""
    op.execute("DROP INDEX IF EXISTS penstock.ledger_unsettled, penstock.ledger_past_unsettled")
