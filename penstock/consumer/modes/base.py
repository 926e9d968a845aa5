"""What a write mode is: how a kind lands in its table."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import Table

from penstock.consumer.modes.statements import SetWrite
from penstock.intents import WriteIntent


@dataclass(frozen=True, slots=True)
class ColumnGroup:
    """Columns that are written together, of which the newest version wins.

    Attributes:
        version: the column that holds their version.
        columns: all of them but the version.
    """

    version: str
    columns: frozenset[str]


@dataclass(frozen=True, slots=True)
class TableContext:
    """What else is written to a table.

    Attributes:
        groups: all groups of columns that upserts write.
        mortal: whether rows are deleted.
    """

    groups: Sequence[ColumnGroup] = ()
    mortal: bool = False


SOLE_WRITER = TableContext()


class WriteMode(Protocol):
    """How a kind lands in its table.

    Attributes:
        table: the table that is written, if one alone is.
    """

    @property
    def table(self) -> Table | None:
        """The table that is written, if one alone is."""

    def bind(self, intent: type[WriteIntent], beside: "TableContext", /) -> SetWrite:
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
        streams: whether a part of a batch may be written before the rest of it is known: new rows, which refer to
            nothing that is written, too.
    """

    kind: str
    write: SetWrite
    table: Table | None
    deletes: bool
    mortal: bool
    streams: bool


Writes = Sequence[Bound]
"""How each kind is written, parents before their children."""
