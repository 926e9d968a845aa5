"""The write mode `Delete`: a row removed, with a tombstone in its place."""

from collections.abc import Mapping, Sequence

from sqlalchemy import (
    CTE,
    Table,
    Text,
    Update,
    and_,
    case,
    cast,
    literal,
    null,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import insert

from penstock.consumer.mapping.columns import BindingError, Target, table_of
from penstock.consumer.modes.base import SOLE_WRITER, ColumnGroup, TableContext
from penstock.consumer.modes.keyed import Names, bind_keyed, names_of, newest_first, same_key
from penstock.consumer.modes.requirements import Demand
from penstock.consumer.modes.statements import SetWrite
from penstock.consumer.modes.tombstones import key_of, tombstone
from penstock.consumer.rows.recordset import ID, Recordset, sources
from penstock.intents import WriteIntent, kind_of


class Delete:
    """Remove the row of each intent's key, unless the row is newer.

    A tombstone keeps the version, so that an older upsert that comes late does not bring the row back. Of columns
    that are written together only those that are newer than the deletion stay; at equal versions it is deleted.
    """

    def __init__(
        self, table: Target, *, key: Names, version: str, columns: Mapping[str, str] | None = None
    ) -> None:
        """Say which row is removed.

        Args:
            table: the table, or a declarative class. All else that writes it must be `Upsert`.
            key: the column or columns that tell rows apart; something must make them unique.
            version: a column of a version; the field of that name, or the one that `columns` gives it, is the
                version of the deletion.
            columns: field by column of the key and of the version, where the names differ.

        Raises:
            penstock.consumer.BindingError: `table` is not a table.
        """
        self.table = table_of(table)
        self._key = names_of(key)
        self._version = version
        self._columns = columns

    def bind(self, intent: type[WriteIntent], beside: TableContext = SOLE_WRITER, /) -> SetWrite:
        """Check the mode against a class of intents.

        Raises:
            penstock.consumer.BindingError: they do not go together.
        """
        bound = bind_keyed(intent, self.table, self._key, self._columns, [self._version], inserts=False)
        other = sorted(set(bound) - {*self._key, self._version})
        name = f"{kind_of(intent)} ({intent.__name__}) to {self.table.fullname}"
        if other:
            raise BindingError(f"{name}: column {other[0]!r} is neither of the key nor the version")
        for group in beside.groups:
            if repr(self.table.c[group.version].type) != repr(self.table.c[self._version].type):
                raise BindingError(f"{name}: the versions {group.version!r} and {self._version!r} differ in type")
        recordset = Recordset(intent, sources(self.table, bound))
        groups = beside.groups or [ColumnGroup(self._version, frozenset())]
        demand = _demand(self.table, self._key, groups, bound)
        required = [name for name in demand.nulls if not self.table.c[name].nullable]
        if required:
            raise BindingError(f"{name}: column {required[0]!r} may not be null, and could not be emptied")
        return _deleting(recordset, self.table, self._key, self._version, groups, demand)


def _demand(table: Table, key: tuple[str, ...], groups: Sequence[ColumnGroup], bound: Mapping[str, str]) -> Demand:
    ageing = [name for group in groups for name in (group.version, *sorted(group.columns))]
    return Demand(
        table=table,
        fields=bound,
        privileges={"DELETE": (), "UPDATE": ageing, "SELECT": [*key, *ageing]},
        key=key,
        # A group is emptied where another one keeps the row.
        nulls=ageing if len(groups) > 1 else (),
    )


def _deleting(  # noqa: PLR0917
    recordset: Recordset,
    table: Table,
    key: Sequence[str],
    version: str,
    groups: Sequence[ColumnGroup],
    demand: Demand,
) -> SetWrite:
    newest = newest_first(recordset.cte, key, version, ()).cte("penstock_newest")
    buried = _write_tombstone(table, newest, key, version)
    here = same_key(table, newest, key)
    ages = [_Age(table, newest, group, version) for group in groups]
    newer = or_(*(age.newer for age in ages))
    gone = table.delete().where(here, *(age.older | age.unwritten for age in ages)).cte("penstock_gone")
    emptied = _empty(table, ages).where(here, newer, or_(*(age.older for age in ages))).cte("penstock_emptied")
    untouched = and_(newer, *(age.newer | age.unwritten for age in ages))
    kept = select(newest.c[ID]).join(table, here).where(untouched)
    landed = select(newest.c[ID]).where(key_of(newest, key).in_(select(buried.c.key)), newest.c[ID].not_in(kept))
    return SetWrite(recordset, [gone, emptied], landed, demand=demand)


def _write_tombstone(table: Table, newest: CTE, key: Sequence[str], version: str) -> CTE:
    rows = select(literal(table.fullname), key_of(newest, key).label("key"), cast(newest.c[version], Text))
    ordered = rows.order_by(key_of(newest, key))
    statement = insert(tombstone).from_select(["target", "key", "version"], ordered, include_defaults=False)
    type_ = table.c[version].type
    return (
        statement.on_conflict_do_update(
            index_elements=["target", "key"],
            set_={"version": statement.excluded.version, "buried_at": statement.excluded.buried_at},
            where=cast(statement.excluded.version, type_) > cast(tombstone.c.version, type_),
        )
        .returning(tombstone.c.key)
        .cte("penstock_buried")
    )


class _Age:
    """A group of columns, held against a deletion."""

    def __init__(self, table: Table, newest: CTE, group: ColumnGroup, version: str) -> None:
        self.columns = (group.version, *group.columns)
        self.unwritten = table.c[group.version].is_(None)
        self.older = table.c[group.version] <= newest.c[version]
        self.newer = table.c[group.version] > newest.c[version]


def _empty(table: Table, ages: Sequence[_Age]) -> Update:
    """Empty the groups that are older than the deletion, in rows that a newer group keeps."""
    values = {name: case((age.older, null()), else_=table.c[name]) for age in ages for name in age.columns}
    return table.update().values(values)
