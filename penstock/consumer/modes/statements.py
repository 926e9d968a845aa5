"""How a set of intents of one kind is written: by statements that take all of it, and whose text never changes."""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import CTE, Connection, Select, false, select

from penstock.consumer.modes.ledger_claims import claim, first_claim, id_conflicts
from penstock.consumer.modes.requirements import Demand
from penstock.consumer.rows.recordset import ID, Rows
from penstock.intents import Envelope

Envelopes = Sequence[Envelope[Any]]


class SetWrite:
    """A write mode, bound to one class of intents."""

    pipelined = True

    def __init__(
        self,
        rows: Rows,
        writing: Sequence[CTE] = (),
        landed: Select[Any] | None = None,
        *,
        demand: Demand | None = None,
    ) -> None:
        """Build the statements.

        Args:
            rows: the set.
            writing: what writes it, as parts of a statement.
            landed: the ids of those that are not stale; all of them if not given.
            demand: what the statements need of the database; None if that is not known.
        """
        self.demand = demand
        self.key = demand.key if demand and demand.key else None
        self._rows = rows
        ids = rows.cte.c[ID]
        self._first = first_claim(rows, landed).add_cte(*writing)
        self._claim = claim(rows)
        self._reused = id_conflicts(rows)
        self._apply = select(ids).where(false() if landed is None else ids.not_in(landed)).add_cte(*writing)

    def land(self, connection: Connection, envelopes: Envelopes) -> None:
        """Claim and write a set of which nothing is known, all of it or nothing, in one statement.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: Postgres refused, or one of them is known.
            psycopg.Error: the same, in a pipeline.
            pydantic_core.PydanticSerializationError: an envelope cannot be written.
            penstock.consumer.Fault: the write itself knows what is wrong.
        """
        connection.execute(self._first, self._rows.parameters(envelopes))

    def claim(self, connection: Connection, envelopes: Envelopes) -> Collection[UUID]:
        """Claim what has not taken effect before.

        Returns:
            The ids of the others.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: the database is unwell.
            pydantic_core.PydanticSerializationError: an envelope cannot be written.
        """
        return connection.scalars(self._claim, self._rows.parameters(envelopes)).all()

    def reused(self, connection: Connection, envelopes: Envelopes) -> Collection[UUID]:
        """Tell which of some intents, that have taken effect before, said something else then.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: the database is unwell.
        """
        return connection.scalars(self._reused, self._rows.parameters(envelopes)).all()

    def apply(self, connection: Connection, envelopes: Envelopes) -> Collection[UUID]:
        """Write a set that has been claimed.

        Returns:
            The ids of those that were stale: something newer was there, or is in the set.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: Postgres refused; the savepoint around it is rolled back.
            pydantic_core.PydanticSerializationError: an envelope cannot be written.
            penstock.consumer.Fault: the write itself knows what is wrong.
        """
        return connection.scalars(self._apply, self._rows.parameters(envelopes)).all()
