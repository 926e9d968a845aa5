"""What a write mode is: how a kind lands in its table."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import Connection, Table

from penstock.intents import Envelope, WriteIntent


@dataclass(frozen=True, slots=True)
class Group:
    """Columns that are written together, of which the newest version wins.

    Attributes:
        version: the column that holds their version.
        columns: all of them but the version.
    """

    version: str
    columns: frozenset[str]


@dataclass(frozen=True, slots=True)
class Beside:
    """What else is written to a table.

    Attributes:
        groups: all groups of columns that upserts write.
        mortal: whether rows are deleted.
    """

    groups: Sequence[Group] = ()
    mortal: bool = False


ALONE = Beside()


class Write(Protocol):
    """A write mode bound to one class of intents."""

    def apply(self, connection: Connection, envelopes: Sequence[Envelope[Any]]) -> Collection[UUID]:
        """Write a set of intents in one go.

        Returns:
            The ids of those that were stale: something newer was there, or is in the set.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: Postgres refused; the savepoint around it is rolled back.
            pydantic_core.PydanticSerializationError: an intent cannot be written as JSON.
            penstock.consumer.Fault: the write itself knows what is wrong.
        """


class WriteMode(Protocol):
    """How a kind lands in its table.

    Attributes:
        table: the table that is written, if one alone is.
    """

    @property
    def table(self) -> Table | None:
        """The table that is written, if one alone is."""

    def bind(self, intent: type[WriteIntent], beside: "Beside", /) -> Write:
        """Check the mode against a class of intents.

        Args:
            intent: the class.
            beside: what else is written to the table.

        Raises:
            penstock.consumer.BindingError: they do not go together.
        """


@dataclass(frozen=True, slots=True)
class Bound:
    """How one kind is written.

    Attributes:
        kind: the kind.
        write: the write mode, bound to its intent.
        table: the table, if one alone is written.
        deletes: whether it deletes rows of that table.
        mortal: whether rows of that table are deleted, by this kind or another.
    """

    kind: str
    write: Write
    table: Table | None
    deletes: bool
    mortal: bool
