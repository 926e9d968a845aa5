"""The interface of a write mode, and a kind that is bound to one or several."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from sqlalchemy import Table

from penstock.consumer.modes.kind_write import KindWrite
from penstock.consumer.modes.requirements import Requirements
from penstock.consumer.modes.statements import SetWrite
from penstock.consumer.rows.wire import Type
from penstock.intents import WriteIntent


@dataclass(frozen=True, slots=True)
class ColumnGroup:
    """Columns that are written together. The newest version of the group wins.

    Attributes:
        version: the column that holds the version.
        columns: all columns of the group except the version.
    """

    version: str
    columns: frozenset[str]


@dataclass(frozen=True, slots=True)
class WriteContext:
    """What is written besides: by all kinds to the same table, and by the same kind to other tables.

    Attributes:
        groups: all groups of columns that upserts of the table write.
        deletable: whether rows of the table are deleted.
        without_default: the columns for which a default in the database would make the order matter, and for each
            whether a default of 0 does no harm.
        partial: whether the kind has other writes, which may have the columns of some of its fields.
        digested: the fields that only other writes have columns for, but that the ledger's digest covers, each
            with the type of that column.
    """

    groups: Sequence[ColumnGroup] = ()
    deletable: bool = False
    without_default: Mapping[str, bool] = field(default_factory=dict)
    partial: bool = False
    digested: Mapping[str, Type] = field(default_factory=dict)


SOLE_WRITER = WriteContext()
"""The context of a write that is the only one of its kind and the only one on its table."""


class WriteMode(Protocol):
    """How intents of a kind are written to a table.

    Attributes:
        table: the table, or None if the mode does not write exactly one.
    """

    @property
    def table(self) -> Table | None:
        """The table, or None if the mode does not write exactly one."""

    def bind(self, intent: type[WriteIntent], context: WriteContext, /) -> SetWrite:
        """Check the mode against a class of intents, and build its statements.

        Args:
            intent: the class.
            context: what is written besides.

        Raises:
            penstock.consumer.BindingError: the intent, the table and the context do not agree.
        """


@dataclass(frozen=True, slots=True)
class BoundWrite:
    """One write of a kind.

    Attributes:
        write: its statements.
        table: the table, or None if the mode does not write exactly one.
        rank: the place of the table among all tables, parents before their children.
        deletes: whether the write deletes rows of that table.
        deletable: whether rows of that table are deleted, by this write or another.
    """

    write: SetWrite
    table: Table | None
    rank: int
    deletes: bool = False
    deletable: bool = False


@dataclass(frozen=True, slots=True)
class Bound:
    """A kind that is bound to its write modes.

    Attributes:
        kind: the kind.
        write: the statements of all its writes.
        parts: its writes, in the order of writing.
        streams: whether a part of a batch can be written before the rest of it is known. That needs new rows only,
            without a foreign key to a table that is also written.
    """

    kind: str
    write: KindWrite
    parts: Sequence[BoundWrite]
    streams: bool

    @property
    def tables(self) -> set[Table]:
        """The tables, as far as they are known."""
        return {part.table for part in self.parts if part.table is not None}

    @property
    def requirements(self) -> list[Requirements]:
        """What the writes require of the database, as far as it is known."""
        return [part.write.requirements for part in self.parts if part.write.requirements]


Writes = Sequence[Bound]
"""All kinds that are bound, parents' tables before their children's as far as possible."""


def tables_first(writes: Writes) -> list[tuple[Bound, BoundWrite]]:
    """Return the writes of all kinds, one table after another.

    If all transactions lock the rows of several tables in one order, they do not wait for each other in a circle.
    """
    return sorted(((bound, part) for bound in writes for part in bound.parts), key=lambda pair: pair[1].rank)
