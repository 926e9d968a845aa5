"""The checkup: whether the database takes a write. The breaker trips by it, and heals by it."""

from datetime import UTC, datetime
from uuid import uuid4

from sqlalchemy import insert
from sqlalchemy.exc import SQLAlchemyError

from penstock.consumer.faults.sqlstate import fault_of
from penstock.consumer.faults.tree import DataFault, Fault
from penstock.database.ledger import APPLIED, ledger
from penstock.database.watchdog import Watchdog


def checkup(database: Watchdog, seconds: float) -> Fault | None:
    """Write as the drain does, and leave nothing behind.

    A row is entered in the ledger under a savepoint, which is rolled back, and the transaction commits. That asks
    for all that the drain needs: a server that is no reader, disk space, the ledger, the permission to write it,
    and the synchronous standby that a commit waits for. A SELECT would be answered without any of them.

    Args:
        database: the database.
        seconds: how long the transaction may take; connecting has a limit of its own.

    Returns:
        Why the database is unwell, or None if it is well.
    """
    now = datetime.now(UTC)
    row = insert(ledger).values(id=uuid4(), kind="penstock.checkup", outcome=APPLIED, stated_at=now)
    try:
        with database.transaction(seconds) as connection, connection.begin_nested() as savepoint:
            connection.execute(row)
            savepoint.rollback()
    except SQLAlchemyError as error:
        fault = fault_of(error)
        # A server that finds fault with the row itself is at work.
        return None if isinstance(fault, DataFault) else fault
    return None
