"""The drain finds what Postgres refuses without a function in the database."""

from importlib import import_module

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Drop the function. A drain that still calls it writes its batches on the isolating path instead."""
    op.execute("DROP FUNCTION IF EXISTS penstock.write_set")


def downgrade() -> None:
    """Create the function again."""
    import_module("penstock.database.migrations.versions.0009_write_set").upgrade()
