"""An index of the unsettled entries, dead or pending, so that the many settled ones are not read."""

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Create a partial index on each generation, without the settled entries."""
    for generation in ("ledger", "ledger_past"):
        op.execute(
            f"CREATE INDEX {generation}_unsettled ON penstock.{generation} (settled_at)"
            " WHERE outcome IN ('dead', 'pending')"
        )


def downgrade() -> None:
    """Drop the indexes."""
    op.execute("DROP INDEX penstock.ledger_unsettled, penstock.ledger_past_unsettled")
