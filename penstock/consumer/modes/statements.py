"""The statements that write a set of intents of one kind. Each takes the whole set, and its text never changes."""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import CTE, Connection, Select, false, select
from sqlalchemy.dialects.postgresql import Insert

from penstock.consumer.mapping.columns import ID
from penstock.consumer.modes.ledger_claims import claim, first_claim, id_conflicts
from penstock.consumer.modes.requirements import Requirements
from penstock.consumer.rows.recordset import Rows
from penstock.intents import Envelope

Envelopes = Sequence[Envelope[Any]]


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
        applied: Select[Any] | None = None,
        *,
        requirements: Requirements | None = None,
    ) -> None:
        """Build the statements.

        Args:
            rows: the set.
            writing: the parts of a statement that write it.
            applied: the ids of the intents that are not stale; None if no intent can be.
            requirements: what the statements require of the database; None if that is not known.
        """
        self.requirements = requirements
        self.key = requirements.key if requirements and requirements.key else None
        self._rows = rows
        ids = rows.cte.c[ID]
        self._first = first_claim(rows, applied).add_cte(*writing)
        self._claim = claim(rows)
        self._id_conflicts = id_conflicts(rows)
        self._apply = select(ids).where(false() if applied is None else ids.not_in(applied)).add_cte(*writing)

    @property
    def first_statement(self) -> Insert:
        """The statement of `claim_and_write`."""
        return self._first

    def parameters(self, envelopes: Envelopes) -> dict[str, str]:
        """Return the parameters of every statement for a set."""
        return self._rows.parameters(envelopes)

    def claim_and_write(self, connection: Connection, envelopes: Envelopes) -> None:
        """Claim and write a set in one statement: all of it, or nothing if any id is already in the ledger.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: Postgres refused, or the ledger has one of the ids.
            psycopg.Error: the same, in a pipeline.
            pydantic_core.PydanticSerializationError: an envelope cannot be written.
            penstock.consumer.Fault: the write itself found a fault.
        """
        connection.execute(self._first, self._rows.parameters(envelopes))

    def claim(self, connection: Connection, envelopes: Envelopes) -> Collection[UUID]:
        """Claim the intents that have not taken effect before.

        Returns:
            The ids of the intents that have.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: the database is unwell.
            pydantic_core.PydanticSerializationError: an envelope cannot be written.
        """
        return connection.scalars(self._claim, self._rows.parameters(envelopes)).all()

    def id_conflicts(self, connection: Connection, envelopes: Envelopes) -> Collection[UUID]:
        """Return the ids under which another payload has taken effect before.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: the database is unwell.
            pydantic_core.PydanticSerializationError: an envelope cannot be written.
        """
        return connection.scalars(self._id_conflicts, self._rows.parameters(envelopes)).all()

    def apply(self, connection: Connection, envelopes: Envelopes) -> Collection[UUID]:
        """Write a set that has been claimed.

        Returns:
            The ids of the intents that are stale: something newer is in the table or in the set.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: Postgres refused; the caller rolls back the savepoint around it.
            pydantic_core.PydanticSerializationError: an envelope cannot be written.
            penstock.consumer.Fault: the write itself found a fault.
        """
        return connection.scalars(self._apply, self._rows.parameters(envelopes)).all()
