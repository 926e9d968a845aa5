"""Records of what operators did to dead letters, and the ledger by time, for those who watch it."""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Make the table, and an index of some pages on each generation of the ledger."""
    op.execute(
        """
        CREATE TABLE penstock.operation (
            id uuid PRIMARY KEY,
            action text NOT NULL,
            actor text NOT NULL,
            selection json NOT NULL,
            begun_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            ended_at timestamptz,
            outcome text,
            counts json,
            CONSTRAINT ended CHECK ((ended_at IS NULL) = (outcome IS NULL))
        )
        """
    )
    # Entries come in the order of this time, which a block range index lives on.
    for generation in ("ledger", "ledger_past"):
        op.execute(
            f"CREATE INDEX {generation}_settled_at ON penstock.{generation} USING brin (settled_at)"
            " WITH (pages_per_range = 32, autosummarize = on)"
        )


def downgrade() -> None:
    """Drop them."""
    op.execute("DROP INDEX penstock.ledger_settled_at, penstock.ledger_past_settled_at")
    op.execute("DROP TABLE penstock.operation")
