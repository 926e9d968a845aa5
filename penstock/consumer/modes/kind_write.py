"""All writes of one kind: each intent is claimed once, and its writes take effect together or not at all."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from uuid import UUID

from sqlalchemy import Connection

from penstock.consumer.faults.sqlstate import fault_of
from penstock.consumer.faults.tree import EnvironmentFault
from penstock.consumer.modes.statements import Envelopes, SetWrite


class KindWrite:
    """The writes of a kind. The first one claims the intents.

    Attributes:
        pipelined: whether statements may be sent without waiting for answers.
        keyed: whether rows are found by a key, which are locked in the order of their keys.
    """

    def __init__(self, writes: Sequence[SetWrite]) -> None:
        """Take the writes, in the order of writing."""
        self._writes = writes
        self.pipelined = all(write.pipelined for write in writes)
        self.keyed = any(write.key for write in writes)

    def claim(self, connection: Connection, envelopes: Envelopes) -> Collection[UUID]:
        """Claim the intents that have not taken effect before; return the ids of those that have.

        Raises:
            Exception: as `SetWrite.claim`.
        """
        return self._writes[0].claim(connection, envelopes)

    def id_conflicts(self, connection: Connection, envelopes: Envelopes) -> Collection[UUID]:
        """Return the ids under which another payload has taken effect before.

        Raises:
            Exception: as `SetWrite.id_conflicts`.
        """
        return self._writes[0].id_conflicts(connection, envelopes)

    def apply(self, connection: Connection, envelopes: Envelopes) -> Collection[UUID]:
        """Execute all writes for a set that has been claimed.

        Returns:
            The ids of the intents that are stale in every write. An intent of which anything landed is applied.

        Raises:
            Exception: as `SetWrite.apply`; the caller rolls back the savepoint around all writes.
        """
        stale = []
        for write in self._writes:
            with self._table_named(write):
                stale.append({*write.apply(connection, envelopes)})
        return set.intersection(*stale)

    @contextmanager
    def _table_named(self, write: SetWrite) -> Iterator[None]:
        """Name the table of one of several writes in its faults: Postgres does not name it in each error."""
        try:
            yield
        except Exception as error:
            fault, requirements = fault_of(error), write.requirements
            named = len(self._writes) == 1 or fault.cause.table
            # What follows an environment fault depends on the error itself.
            if named or requirements is None or isinstance(fault, EnvironmentFault):
                raise
            raise type(fault)(replace(fault.cause, table=requirements.table.fullname)) from error
