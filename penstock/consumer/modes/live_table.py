"""Whether the columns of the live table compare as the declared ones do.

The statements compare the rows of a set with each other in the declared types, and Postgres compares them with the
rows of the table in the live types. If the two disagree, rows are lost or overwritten without an error. So each
connection of the drain reads the catalogs once for each kind, and nothing is written while they disagree.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql

from penstock.consumer.faults.tree import Cause, TableFault
from penstock.consumer.mapping.collation import collation_of, uncollated
from penstock.consumer.modes.compared_column import LIVE_COLUMNS, LIVE_INDEXES, ComparedColumn

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]
_quote = _DIALECT.identifier_preparer.quote
_CHECKED = "penstock_checked"
_NAMES = "penstock_names"


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference between the declared and the live table.

    Attributes:
        reason: a stable word for it.
        column: the column's name in the database; None for the table as a whole.
        problem: what is wrong, in one sentence.
        hint: how to fix it.
    """

    reason: str
    column: str | None
    problem: str
    hint: str


class LiveTable:
    """What a bound write needs of the types, the collations and the defaults of its live table."""

    def __init__(
        self,
        table: Table,
        key: Sequence[str],
        *,
        versions: Sequence[str] = (),
        values: Sequence[str] = (),
        without_default: Mapping[str, bool] | None = None,
        tombstones: bool = False,
    ) -> None:
        """Take the columns by their keys in SQLAlchemy.

        Args:
            table: the table.
            key: the columns by which rows are found: equal values must be equal in both types.
            versions: the columns of versions: they must have the same order, too.
            values: the columns that are added to, or that decide between equal versions.
            without_default: the columns for which a default would make the order of intents matter, and for each
                whether a default of 0 does no harm.
            tombstones: whether tombstones hold the key.
        """
        self._table = table
        self._key, self.versions, self._values = tuple(key), tuple(versions), tuple(values)
        self._without_default = dict(without_default or {})
        self._tombstones = tombstones

    def is_checked(self, connection: Connection) -> bool:
        """Return whether the table was checked on this connection."""
        return self in connection.info.get(_CHECKED, ())

    def check(self, connection: Connection) -> None:
        """Check the table, once for each connection to the database.

        Raises:
            TableFault: the live table differs.
            psycopg.Error: the catalogs cannot be read.
        """
        checked: set[LiveTable] = connection.info.setdefault(_CHECKED, set())
        if self not in checked:
            for difference in self.differences(connection):
                raise TableFault(Cause(difference.reason, table=self._table.fullname, column=difference.column))
            checked.add(self)

    def differences(self, connection: Connection) -> Iterator[Difference]:
        """Compare the declared with the live table.

        Raises:
            psycopg.Error: the catalogs cannot be read.
        """
        place = {"table": self._table.name, "schema": self._table.schema}
        keys = dict.fromkeys([*self._key, *self.versions, *self._values, *self._without_default])
        columns = [self._table.c[key] for key in keys]
        driver: Any = connection.connection.driver_connection
        found = driver.execute(
            LIVE_COLUMNS,
            {
                **place,
                "names": [column.name for column in columns],
                "types": [uncollated(column.type).compile(dialect=_DIALECT) for column in columns],
                "collations": [_collation(column.type) for column in columns],
            },
        ).fetchall()
        live = {row[0]: ComparedColumn(*row[1:]) for row in found}
        yield from self._other_name(connection, live)
        for key in keys:
            if column := live.get(self._table.c[key].name):
                yield from self._column(key, column)
        yield from self._indexes(driver, place)

    def _other_name(self, connection: Connection, live: dict[str, ComparedColumn]) -> Iterator[Difference]:
        """Find two names for one table: their modes were never compared with each other."""
        names: dict[int, str] = connection.info.setdefault(_NAMES, {})
        for column in live.values():
            other = names.setdefault(column.table, self._table.fullname)
            if other != self._table.fullname:
                problem = f"the tables {other!r} and {self._table.fullname!r} of the code are one table"
                yield Difference("one-table-two-names", None, problem, "bind all kinds to one Table object")
            return

    def _column(self, key: str, live: ComparedColumn) -> Iterator[Difference]:
        name = self._table.c[key].name
        if key in self._without_default and live.has_default(zero_allowed=self._without_default[key]):
            problem = f"the column defaults to {live.default}, so the order of intents would matter"
            yield Difference("default-differs", name, problem, "ALTER TABLE ... ALTER COLUMN ... DROP DEFAULT")
        if key not in {*self._key, *self.versions, *self._values}:
            return
        if not live.stores_unchanged(compared=key not in self._values):
            problem = f"the column is declared as {live.declared} and is {live.type} in the database"
            hint = f"declare it as {live.type}, so that values are compared as Postgres compares them"
            yield Difference("column-type-differs", name, problem, hint)
        elif key in self.versions and not live.same_collation:
            problem = f"the column has the collation {live.collation}, by which versions are ordered otherwise"
            yield Difference("version-collation-differs", name, problem, "declare this collation in its type")
        elif key in self._key:
            yield from self._key_collation(name, live)

    def _key_collation(self, name: str, live: ComparedColumn) -> Iterator[Difference]:
        if self._tombstones and not live.deterministic:
            problem = (
                f"the collation {live.collation} is not deterministic, and a tombstone cannot hold keys that are "
                "equal under it"
            )
            hint = "use a deterministic collation, or mark deleted rows in a column of their own"
            yield Difference("collation-not-deterministic", name, problem, hint)
        # If none is declared, Postgres compares under the column's own; texts are equal if their bytes are.
        elif not live.same_collation and (live.collation_declared or not live.deterministic):
            problem = f"the column has the collation {live.collation}, which calls other keys equal"
            yield Difference("key-collation-differs", name, problem, "declare this collation in its type")

    def _indexes(self, driver: Any, place: Mapping[str, str | None]) -> Iterator[Difference]:
        columns = [self._table.c[key].name for key in self._key]
        for column, index in driver.execute(LIVE_INDEXES, {**place, "names": columns}).fetchall():
            problem = f"the unique index {index} calls other keys equal than the column does"
            yield Difference("index-collation-differs", column, problem, "give the column the index's collation")


def _collation(type_: Any) -> str | None:
    name = collation_of(type_)
    return None if name is None else _quote(name)
