"""The interface of a write mode, and a kind that is bound to one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from sqlalchemy import Table

from penstock.consumer.modes.statements import SetWrite
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
class TableContext:
    """What all kinds together write to a table.

    Attributes:
        groups: all groups of columns that upserts write.
        deletable: whether rows are deleted.
        without_default: the columns for which a default in the database would make the order matter, and for each
            whether a default of 0 does no harm.
    """

    groups: Sequence[ColumnGroup] = ()
    deletable: bool = False
    without_default: Mapping[str, bool] = field(default_factory=dict)


SOLE_WRITER = TableContext()
"""The context of a kind that is the only one on its table."""


class WriteMode(Protocol):
    """How intents of a kind are written to a table.

    Attributes:
        table: the table, or None if the mode does not write exactly one.
    """

    @property
    def table(self) -> Table | None:
        """The table, or None if the mode does not write exactly one."""

    def bind(self, intent: type[WriteIntent], context: TableContext, /) -> SetWrite:
        """Check the mode against a class of intents, and build its statements.

        Args:
            intent: the class.
            context: what all kinds together write to the table.

        Raises:
            penstock.consumer.BindingError: the intent, the table and the context do not agree.
        """


@dataclass(frozen=True, slots=True)
class Bound:
    """A kind that is bound to its write mode.

    Attributes:
        kind: the kind.
        write: its statements.
        table: the table, or None if the mode does not write exactly one.
        deletes: whether the kind deletes rows of that table.
        deletable: whether rows of that table are deleted, by this kind or another.
        streams: whether a part of a batch can be written before the rest of it is known. That needs new rows only,
            without a foreign key to a table that is also written.
    """

    kind: str
    write: SetWrite
    table: Table | None
    deletes: bool
    deletable: bool
    streams: bool


Writes = Sequence[Bound]
"""All kinds that are bound, parents' tables before their children's."""
