"""The statements that write a set of intents of one kind. Each takes the whole set, and its text never changes."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, TypeAlias
from uuid import UUID

from sqlalchemy import CTE, ColumnElement, Connection, CursorResult, Executable, Select, false, null, select
from sqlalchemy.dialects.postgresql import Insert

from penstock.consumer.faults.tree import Cause, TableFault
from penstock.consumer.mapping.columns import ID
from penstock.consumer.modes.ledger_claims import claim, correct_claim, first_claim, id_conflicts, select_stale
from penstock.consumer.modes.requirements import Requirements
from penstock.consumer.rows.intent_set import IntentSet
from penstock.consumer.rows.recordset import Rows
from penstock.database.ledger import APPLIED
from penstock.intents import Envelope

Envelopes = Sequence[Envelope[Any]]

Count: TypeAlias = Callable[[], int]
"""Returns a number of intents. In a pipeline it is known at the end of that."""


class SetWrite:
    """The statements of a write mode that is bound to one class of intents.

    Attributes:
        pipelined: whether statements may be sent without waiting for answers.
        requirements: what the statements require of the database; None if that is not known.
        key: the columns by which rows are found, if they are.
    """

    pipelined = True

    def __init__(
        self,
        rows: Rows,
        writing: Sequence[CTE] = (),
        outcome: ColumnElement[Any] | None = None,
        *,
        requirements: Requirements | None = None,
    ) -> None:
        """Build the statements.

        Args:
            rows: the set.
            writing: the parts of a statement that write it.
            outcome: the outcome of each intent; null if a row was written that no intent has. None if all are
                applied.
            requirements: what the statements require of the database; None if that is not known.
        """
        self.requirements = requirements
        self.key = requirements.key if requirements and requirements.key else None
        self._rows = rows
        ids = rows.cte.c[ID]
        first = first_claim(rows, outcome)
        self._first = (first if outcome is None else select_stale(first)).add_cte(*writing)
        self._may_be_stale = outcome is not None
        self._further = correct_claim(rows, outcome).add_cte(*writing)
        self._claim = claim(rows)
        self._id_conflicts = id_conflicts(rows)
        other = false() if outcome is None else outcome.is_distinct_from(APPLIED)
        self._apply = select(ids, null() if outcome is None else outcome).where(other).add_cte(*writing)

    @property
    def first_statement(self) -> Insert | Select[Any]:
        """The statement of `claim_and_write`."""
        return self._first

    @property
    def statements(self) -> Mapping[str, Executable]:
        """All statements, by what each does with a set; the first two are those of the fast path."""
        return {
            "claim and write": self._first,
            "write": self._further,
            "claim": self._claim,
            "write what is claimed": self._apply,
            "compare with the ledger": self._id_conflicts,
        }

    def parameters(self, envelopes: Envelopes) -> dict[str, Any]:
        """Return the parameters of every statement for a set."""
        return self._rows.write(IntentSet.of(envelopes)).parameters()

    def claim_and_write(self, connection: Connection, envelopes: Envelopes) -> Count:
        """Claim and write a set in one statement: all of it, or nothing if any id is already in the ledger.

        Returns:
            How many intents are stale.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: Postgres refused, or the ledger has one of the ids.
            psycopg.Error: the same, in a pipeline.
            pydantic_core.PydanticSerializationError: an envelope cannot be written.
            penstock.consumer.Fault: the write itself found a fault.
        """
        self._check_live(connection)
        result = connection.execute(self._first, self.parameters(envelopes))
        return _row_count(result) if self._may_be_stale else _none

    def write_further(self, connection: Connection, envelopes: Envelopes) -> Count:
        """Write a set that another write of the kind has claimed, and correct what the ledger says of it.

        An intent that was stale for the other write is applied if this one lands.

        Returns:
            How many intents are no longer stale.

        Raises:
            Exception: as `claim_and_write`, except that the ids are in the ledger.
        """
        self._check_live(connection)
        return _row_count(connection.execute(self._further, self.parameters(envelopes)))

    def claim(self, connection: Connection, envelopes: Envelopes) -> Collection[UUID]:
        """Claim the intents that have not taken effect before.

        Returns:
            The ids of the intents that have.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: the database is unwell.
            pydantic_core.PydanticSerializationError: an envelope cannot be written.
        """
        self._check_live(connection)
        return connection.scalars(self._claim, self.parameters(envelopes)).all()

    def id_conflicts(self, connection: Connection, envelopes: Envelopes) -> Collection[UUID]:
        """Return the ids under which another payload has taken effect before.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: the database is unwell.
            pydantic_core.PydanticSerializationError: an envelope cannot be written.
        """
        return connection.scalars(self._id_conflicts, self.parameters(envelopes)).all()

    def apply(self, connection: Connection, envelopes: Envelopes) -> Collection[UUID]:
        """Write a set that has been claimed.

        Returns:
            The ids of the intents that are stale: something newer is in the table or in the set.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: Postgres refused; the caller rolls back the savepoint around it.
            pydantic_core.PydanticSerializationError: an envelope cannot be written.
            penstock.consumer.Fault: the write itself found a fault.
        """
        self._check_live(connection)
        others = connection.execute(self._apply, self.parameters(envelopes)).all()
        if any(outcome is None for _, outcome in others):
            table = self.requirements.table.fullname if self.requirements else None
            raise TableFault(Cause("key-changed-by-trigger", table=table))
        return [id_ for id_, _ in others]

    def _check_live(self, connection: Connection) -> None:
        """Check once for each connection that the live columns compare as the declared ones do."""
        if self.requirements and self.requirements.live:
            self.requirements.live.check(connection)


def _row_count(result: CursorResult[Any]) -> Count:
    known = result.rowcount
    # In a pipeline SQLAlchemy closes a cursor before its result has come. psycopg counts it nevertheless.
    cursor: Any = result.context.cursor
    result.close()
    # It is -1 for a statement that was explained instead.
    return lambda: max(0, known, int(cursor.rowcount))


def _none() -> int:
    return 0
