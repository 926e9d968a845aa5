"""Check whether the database accepts a write. The breaker and the probe rely on this check."""

from datetime import UTC, datetime
from uuid import uuid4

from sqlalchemy import insert
from sqlalchemy.exc import SQLAlchemyError

from penstock.consumer.faults.sqlstate import fault_of
from penstock.consumer.faults.tree import DataFault, Fault
from penstock.database.ledger import APPLIED, ledger
from penstock.database.watchdog import Watchdog


def check_health(database: Watchdog, seconds: float) -> Fault | None:
    """Write as the drain does, and leave nothing behind.

    The check inserts a row into the ledger under a savepoint, rolls the savepoint back, and commits the
    transaction. This needs everything that the drain needs: a primary server, disk space, the ledger, the
    privilege to write it, and the synchronous standby that a commit waits for. A SELECT would succeed without any
    of them.

    Args:
        database: the database.
        seconds: how long the transaction may take. Connecting has its own timeout.

    Returns:
        Why the database is unwell, or None if it is well.
    """
    now = datetime.now(UTC)
    row = insert(ledger).values(id=uuid4(), kind="penstock.health_check", outcome=APPLIED, stated_at=now)
    try:
        with database.transaction(seconds) as connection, connection.begin_nested() as savepoint:
            connection.execute(row)
            savepoint.rollback()
    except SQLAlchemyError as error:
        fault = fault_of(error)
        # A server that rejects only the row itself is working.
        return None if isinstance(fault, DataFault) else fault
    return None
