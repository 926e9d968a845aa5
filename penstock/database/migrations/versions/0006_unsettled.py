"""The unsettled few of the ledger, dead or pending, found without reading the many that landed."""

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Make an index on each generation; what landed is in none of them."""
    for generation in ("ledger", "ledger_past"):
        op.execute(
            f"CREATE INDEX {generation}_unsettled ON penstock.{generation} (settled_at)"
            " WHERE outcome IN ('dead', 'pending')"
        )


def downgrade() -> None:
    """Drop them."""
    op.execute("DROP INDEX penstock.ledger_unsettled, penstock.ledger_past_unsettled")
