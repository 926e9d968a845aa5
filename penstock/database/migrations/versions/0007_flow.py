"""The outcome `expired`; the kinds that are held, and the intents that wait for their release."""

import random
import time

from alembic import op
from psycopg.errors import LockNotAvailable
from sqlalchemy.exc import DBAPIError

revision = "0007"
down_revision = "0006"

_LANDED = "'applied', 'stale'"
_GENERATIONS = ("ledger", "ledger_past")
_ATTEMPTS = 20


def upgrade() -> None:
    """Allow one more outcome, and create the tables.

    Each constraint is replaced by one that allows more, so every entry satisfies it already: NOT VALID saves the
    scan of the ledger, which would block the drains. Drains of the previous version go on: they write no such
    outcome, and take an entry that has it for one that is settled.
    """
    _lock_generations()
    _constrain(outcomes=f"{_LANDED}, 'dead', 'expired', 'pending'", without_fault=f"{_LANDED}, 'expired'")
    op.execute(
        """
        CREATE TABLE penstock.hold (
            kind text PRIMARY KEY,
            reason text,
            held_by text NOT NULL,
            held_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
            releasing_at timestamptz
        )
        """
    )
    op.execute(
        """
        CREATE TABLE penstock.held (
            message_id text PRIMARY KEY,
            position bigint GENERATED ALWAYS AS IDENTITY,
            id uuid NOT NULL,
            kind text NOT NULL,
            body text NOT NULL,
            attributes json NOT NULL,
            message_group text,
            payload_at date,
            parked_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
        )
        """
    )
    op.execute("CREATE INDEX held_in_order ON penstock.held (kind, position)")
    op.execute("CREATE INDEX held_id ON penstock.held (id)")


def downgrade() -> None:
    """Drop the tables, which must be empty, and make expired intents stale: neither changed anything."""
    op.execute(
        """
        DO $$ BEGIN
            IF EXISTS (SELECT FROM penstock.held) THEN
                RAISE EXCEPTION 'intents are held: release them first (penstock release)';
            END IF;
        END $$
        """
    )
    op.execute("DROP TABLE penstock.held, penstock.hold")
    op.execute("UPDATE penstock.ledger SET outcome = 'stale' WHERE outcome = 'expired'")
    op.execute("UPDATE penstock.ledger_past SET outcome = 'stale' WHERE outcome = 'expired'")
    _constrain(outcomes=f"{_LANDED}, 'dead', 'pending'", without_fault=_LANDED)


def _lock_generations() -> None:
    """Lock both generations. Drains queue behind a pending lock, so that each attempt waits only shortly."""
    connection = op.get_bind()
    for attempts_left in reversed(range(_ATTEMPTS)):
        try:
            with connection.begin_nested():
                connection.exec_driver_sql("SET LOCAL lock_timeout = '2s'")
                # In the order of the drain's statements.
                connection.exec_driver_sql(
                    "LOCK TABLE penstock.ledger, penstock.ledger_past IN ACCESS EXCLUSIVE MODE"
                )
                connection.exec_driver_sql("SET LOCAL lock_timeout TO DEFAULT")
                return
        except DBAPIError as error:
            if not (attempts_left and isinstance(error.orig, LockNotAvailable)):
                raise
            time.sleep(random.uniform(1, 3))  # noqa: S311 (no secret)


def _constrain(*, outcomes: str, without_fault: str) -> None:
    for table in _GENERATIONS:
        op.execute(
            f"""
            ALTER TABLE penstock.{table}
                DROP CONSTRAINT outcome,
                DROP CONSTRAINT fault_unless_landed,
                ADD CONSTRAINT outcome CHECK (outcome IN ({outcomes})) NOT VALID,
                ADD CONSTRAINT fault_unless_landed
                    CHECK ((fault IS NULL) = (outcome IN ({without_fault}))) NOT VALID
            """
        )
