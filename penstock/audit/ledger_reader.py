"""What an audit reads of the ledger. The ledger may be in a database that only functions can reach."""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from typing import Protocol, TypeAlias
from uuid import UUID

from sqlalchemy import Connection

from penstock.database.ledger_entries import LedgerState, count_outcomes, find_states, list_unsettled
from penstock.database.watchdog import Watchdog

_SECONDS = 300.0


class LedgerReader(Protocol):
    """Reads the ledger."""

    def count_outcomes(self, since: datetime) -> Mapping[str, int]:
        """Count the intents that were settled since a time, by outcome."""

    def find_states(self, ids: Collection[UUID]) -> Mapping[UUID, LedgerState]:
        """Return the states of intents by id, without those that the ledger does not know."""

    def list_unsettled(self, since: datetime) -> Iterator[LedgerState]:
        """Yield the states of the intents that became dead or pending since a time."""


OpenLedger: TypeAlias = Callable[[], AbstractContextManager[LedgerReader]]
"""Opens the ledger for the time of a block."""


class _DatabaseReader:
    """Reads the ledger in a transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def count_outcomes(self, since: datetime) -> Mapping[str, int]:
        return count_outcomes(self._connection, since)

    def find_states(self, ids: Collection[UUID]) -> Mapping[UUID, LedgerState]:
        return find_states(self._connection, ids)

    def list_unsettled(self, since: datetime) -> Iterator[LedgerState]:
        return list_unsettled(self._connection, since)


@contextmanager
def read_database(database: Watchdog) -> Iterator[LedgerReader]:
    """Read the ledger of a database that can be reached from here.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the database refused, or is away.
    """
    with database.transaction(_SECONDS) as connection:
        yield _DatabaseReader(connection)
