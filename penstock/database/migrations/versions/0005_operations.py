"""Records of operations on dead letters, and an index of the ledger by time, for monitoring."""

from alembic import op

from penstock.database.indexes import create_if_small

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Create the table, and a block range index of a few pages on each generation of the ledger."""
    op.execute(
        """
        CREATE TABLE penstock.operation (
            id uuid PRIMARY KEY,
            action text NOT NULL,
            actor text NOT NULL,
            selection json NOT NULL,
            begun_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
            ended_at timestamptz,
            outcome text,
            counts json,
            CONSTRAINT ended CHECK ((ended_at IS NULL) = (outcome IS NULL))
        )
        """
    )
    create_if_small(op.get_bind(), "_settled_at")


def downgrade() -> None:
    """Drop the table and the indexes."""
    op.execute("DROP INDEX IF EXISTS penstock.ledger_settled_at, penstock.ledger_past_settled_at")
    op.execute("DROP TABLE penstock.operation")
