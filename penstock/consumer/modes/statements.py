"""The statements that write a set of intents of one kind. Each takes the whole set, and its text never changes."""

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import CTE, ColumnElement, Connection, Executable, Select, Update, false, null, select

from penstock.consumer.faults.tree import Cause, TableFault
from penstock.consumer.mapping.columns import ID
from penstock.consumer.modes.ledger_claims import (
    claim,
    claim_fresh,
    claimed_here,
    correct_claim,
    fresh_rows,
    id_conflicts,
)
from penstock.consumer.modes.requirements import Requirements
from penstock.consumer.rows.intent_set import IntentSet
from penstock.consumer.rows.recordset import Rows
from penstock.consumer.rows.server_text import text_of
from penstock.consumer.rows.wire import Wire
from penstock.database.ledger import APPLIED
from penstock.intents import Envelope

Envelopes = Sequence[Envelope[Any]]


class Writing(NamedTuple):
    """What a statement does with the rows of a set besides claiming them.

    Attributes:
        parts: the parts of the statement that write.
        outcome: the outcome of each intent; null if a row was written that no intent has. None if all are applied.
    """

    parts: Sequence[CTE] = ()
    outcome: ColumnElement[Any] | None = None


class Claimed(NamedTuple):
    """What became of a set.

    Attributes:
        stale: how many intents of it are stale.
        skipped: the ids of those that took effect before.
    """

    stale: int
    skipped: Collection[str]

    @classmethod
    def of(cls, stale: int | bytes | None, skipped: str | bytes | None) -> "Claimed":
        """Take the result of the statement that claims."""
        ids = skipped.decode() if isinstance(skipped, bytes) else skipped
        return cls(int(stale or 0), frozenset(ids.split(",")) if ids else frozenset())


def _claim_and_write(rows: Rows, write: Callable[[CTE], Writing]) -> Select[Any]:
    fresh = fresh_rows(rows)
    parts, outcome = write(fresh.rows)
    return claim_fresh(rows, fresh, outcome).add_cte(*parts)


def _write_further(rows: Rows, write: Callable[[CTE], Writing]) -> Update:
    claimed = claimed_here(rows)
    parts, outcome = write(claimed)
    return correct_claim(claimed, outcome).add_cte(*parts)


def _nothing(_: CTE) -> Writing:
    return Writing()


class OnServer(NamedTuple):
    """The texts of statements whose parameters are those of the wire.

    Attributes:
        write_set: claims and writes a set, and skips what took effect before.
        write_further: writes what another write of the kind has claimed in the same transaction.
        claim: claims a set, and returns the ids that took effect before.
    """

    write_set: bytes
    write_further: bytes
    claim: bytes


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
        write: Callable[[CTE], Writing] = _nothing,
        *,
        requirements: Requirements | None = None,
    ) -> None:
        """Build the statements.

        Args:
            rows: the set.
            write: builds what writes it, from its rows or from some of them.
            requirements: what the statements require of the database; None if that is not known.
        """
        self.requirements = requirements
        self.key = requirements.key if requirements and requirements.key else None
        self._rows = rows
        self._first = _claim_and_write(rows, write)
        self._further = _write_further(rows, write)
        self._claim = claim(rows)
        self._id_conflicts = id_conflicts(rows)
        parts, outcome = write(rows.cte)
        other = false() if outcome is None else outcome.is_distinct_from(APPLIED)
        others = select(rows.cte.c[ID], null() if outcome is None else outcome).where(other)
        self._apply = others.add_cte(*parts)

    @property
    def first_statement(self) -> Select[Any]:
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

    def wire(self, intents: IntentSet) -> Wire:
        """Write a set for the statements of `on_server`.

        Raises:
            pydantic_core.PydanticSerializationError: a value cannot be written.
        """
        return self._rows.write(intents)

    def parameters(self, envelopes: Envelopes) -> dict[str, Any]:
        """Return the parameters of every statement for a set."""
        return self._rows.write(IntentSet.of(envelopes)).parameters()

    @cached_property
    def on_server(self) -> OnServer:
        """The statements as the server gets them in a pipeline."""
        return OnServer(*map(text_of, (self._first, self._further, self._claim)))

    def claim_and_write(self, connection: Connection, envelopes: Envelopes) -> Claimed:
        """Claim and write a set in one statement, without what took effect before.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: Postgres refused, or the ledger has another intent under one of the
                ids, or one that has not taken effect.
            pydantic_core.PydanticSerializationError: an envelope cannot be written.
            penstock.consumer.Fault: the write itself found a fault.
        """
        self.check_live(connection)
        stale, skipped = connection.execute(self._first, self.parameters(envelopes)).one()
        return Claimed.of(stale, skipped)

    def write_further(self, connection: Connection, envelopes: Envelopes) -> int:
        """Write a set that another write of the kind has claimed, and correct what the ledger says of it.

        An intent that was stale for the other write is applied if this one lands. What it skipped is skipped.

        Returns:
            How many intents are no longer stale.

        Raises:
            Exception: as `claim_and_write`, except that the ledger does not matter.
        """
        self.check_live(connection)
        # It is -1 for a statement that was explained instead.
        return max(0, connection.execute(self._further, self.parameters(envelopes)).rowcount)

    def claim(self, connection: Connection, envelopes: Envelopes) -> Collection[UUID]:
        """Claim the intents that have not taken effect before.

        Returns:
            The ids of the intents that have.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: the database is unwell.
            pydantic_core.PydanticSerializationError: an envelope cannot be written.
        """
        self.check_live(connection)
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
        self.check_live(connection)
        others = connection.execute(self._apply, self.parameters(envelopes)).all()
        if any(outcome is None for _, outcome in others):
            table = self.requirements.table.fullname if self.requirements else None
            raise TableFault(Cause("key-changed-by-trigger", table=table))
        return [id_ for id_, _ in others]

    def is_checked(self, connection: Connection) -> bool:
        """Return whether there is nothing left for `check_live` to do."""
        live = self.requirements.live if self.requirements else None
        return live is None or live.is_checked(connection)

    def check_live(self, connection: Connection) -> None:
        """Check once for each connection that the live columns compare as the declared ones do."""
        if self.requirements and self.requirements.live:
            self.requirements.live.check(connection)
