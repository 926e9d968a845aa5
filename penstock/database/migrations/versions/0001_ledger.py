"""The ledger."""

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the ledger."""
    op.execute("CREATE SCHEMA IF NOT EXISTS penstock")
    op.execute(
        """
        CREATE TABLE penstock.ledger (
            id uuid PRIMARY KEY,
            kind text NOT NULL,
            outcome text NOT NULL,
            fault json,
            attempts smallint NOT NULL DEFAULT 0,
            stated_at timestamptz NOT NULL,
            settled_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
            CONSTRAINT outcome CHECK (outcome IN ('applied', 'stale', 'dead', 'pending')),
            CONSTRAINT fault_unless_landed CHECK ((fault IS NULL) = (outcome IN ('applied', 'stale')))
        )
        """
    )


def downgrade() -> None:
    """Drop the ledger. After that, nothing records which intents have been applied."""
    op.execute("DROP TABLE penstock.ledger")
