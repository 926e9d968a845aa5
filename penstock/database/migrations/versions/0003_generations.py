"""Two generations of the ledger, and the digest that distinguishes a repeated intent from a reused id."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the columns, and the past generation."""
    op.execute("ALTER TABLE penstock.ledger ADD digest bigint, ADD reused_at timestamptz")
    op.execute("CREATE TABLE penstock.ledger_past (LIKE penstock.ledger INCLUDING ALL)")
    op.execute(
        """
        CREATE TABLE penstock.rotation (
            one boolean PRIMARY KEY DEFAULT true CHECK (one),
            rotated_at timestamptz NOT NULL
        )
        """
    )
    op.execute("INSERT INTO penstock.rotation (rotated_at) VALUES (pg_catalog.now())")


def downgrade() -> None:
    """Merge both generations into one. If both have an entry of an id, the current one is kept."""
    op.execute("INSERT INTO penstock.ledger SELECT * FROM penstock.ledger_past ON CONFLICT DO NOTHING")
    op.execute("DROP TABLE penstock.ledger_past, penstock.rotation")
    op.execute("ALTER TABLE penstock.ledger DROP digest, DROP reused_at")
