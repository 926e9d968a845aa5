"""The outbox: events about outcomes that are to be sent, written in the transaction of the outcomes."""

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Create the table. No other table is locked, so drains go on meanwhile."""
    op.execute(
        """
        CREATE TABLE penstock.outbox (
            position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            id uuid NOT NULL,
            kind text NOT NULL,
            outcome text NOT NULL,
            reason text,
            stated_at timestamptz NOT NULL,
            settled_at timestamptz NOT NULL
        )
        """
    )


def downgrade() -> None:
    """Drop the table, which must be empty: what is in it is to be sent."""
    op.execute(
        """
        DO $$ BEGIN
            IF EXISTS (SELECT FROM penstock.outbox) THEN
                RAISE EXCEPTION 'events are waiting in penstock.outbox: let them be sent first';
            END IF;
        END $$
        """
    )
    op.execute("DROP TABLE penstock.outbox")
