"""The write mode `Delete`: a row removed, with a tombstone in its place."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

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

from penstock.consumer.mapping.collation import cast_to_column
from penstock.consumer.mapping.columns import ID, TableLike, binding_error, table_of
from penstock.consumer.modes.base import SOLE_WRITER, ColumnGroup, WriteContext
from penstock.consumer.modes.canonical import canonical_errors
from penstock.consumer.modes.keyed import ColumnKeys, as_tuple, bind_keyed, newest_per_key, same_key
from penstock.consumer.modes.ledger_claims import outcome_by_id
from penstock.consumer.modes.live_table import LiveTable
from penstock.consumer.modes.requirements import Requirements
from penstock.consumer.modes.statements import SetWrite, Writing
from penstock.consumer.modes.tombstones import key_as_json, tombstone
from penstock.consumer.rows.recordset import Recordset, sources
from penstock.intents import WriteIntent


class Delete:
    """Delete the row of each intent's key, unless the row is newer.

    A tombstone keeps the version, so that an older upsert that arrives later does not bring the row back. A group
    of columns that is newer than the deletion stays, and keeps the row. At equal versions the deletion wins.
    """

    def __init__(
        self, table: TableLike, *, key: ColumnKeys, version: str, columns: Mapping[str, str] | None = None
    ) -> None:
        """Name the table, its key and the version.

        Args:
            table: the table, or a declarative class. All other kinds that write it must be `Upsert`.
            key: the column or columns that identify a row; the table must make them unique.
            version: a column of a version. The field of that name, or the one that `columns` gives it, is the
                version of the deletion.
            columns: field by column of the key and of the version, where the names differ.

        Raises:
            penstock.consumer.BindingError: `table` is not a table.
        """
        self.table = table_of(table)
        self.key = as_tuple(key)
        self.version = version
        self._columns = columns

    def bind(self, intent: type[WriteIntent], context: WriteContext = SOLE_WRITER, /) -> SetWrite:
        """Check the mode against a class of intents, and build its statements.

        Raises:
            penstock.consumer.BindingError: the intent, the table and the context do not agree.
        """
        bound = bind_keyed(
            intent,
            self.table,
            self.key,
            self._columns,
            [self.version],
            inserts=False,
            partial=context.partial,
            only=[*self.key, self.version] if context.partial else None,
        )
        groups = context.groups or [ColumnGroup(self.version, frozenset())]
        requirements = _requirements(self.table, self.key, groups, bound, context)
        if errors := [*self._errors(bound, groups, requirements)]:
            raise binding_error(intent, self.table, errors)
        recordset = Recordset(intent, sources(self.table, bound), context.digested)
        write = partial(_delete, self.table, self.key, self.version, groups)
        return SetWrite(recordset, write, requirements=requirements)

    def _errors(
        self, bound: Mapping[str, str], groups: Sequence[ColumnGroup], requirements: Requirements
    ) -> Iterator[str]:
        yield from canonical_errors(self.table, self.key)
        for column in sorted(set(bound) - {*self.key, self.version}):
            yield (
                f"field {bound[column]!r}, column {column!r}: a Delete takes the key and the version only: "
                "remove the field from the intent"
            )
        for group in groups:
            if repr(self.table.c[group.version].type) != repr(self.table.c[self.version].type):
                yield (
                    f"field {bound[self.version]!r}: the version columns {group.version!r} and {self.version!r} "
                    "differ in type: give all version columns of the table the same type"
                )
        for column in requirements.nulls:
            if not self.table.c[column].nullable:
                yield (
                    f"column {column!r} is NOT NULL, but a Delete sets it to null where another group of columns "
                    "keeps the row: make it nullable"
                )


def _requirements(
    table: Table,
    key: tuple[str, ...],
    groups: Sequence[ColumnGroup],
    bound: Mapping[str, str],
    context: WriteContext,
) -> Requirements:
    compared = [name for group in groups for name in (group.version, *sorted(group.columns))]
    return Requirements(
        table=table,
        fields=bound,
        privileges={"DELETE": (), "UPDATE": compared, "SELECT": [*key, *compared]},
        key=key,
        # A group is set to null where another group keeps the row.
        nulls=compared if len(groups) > 1 else (),
        live=LiveTable(
            table,
            key,
            versions=[group.version for group in groups],
            without_default=context.without_default,
            tombstones=True,
        ),
    )


def _delete(table: Table, key: Sequence[str], version: str, groups: Sequence[ColumnGroup], rows: CTE) -> Writing:
    newest = newest_per_key(rows, key, version, ()).cte("penstock_newest")
    tombstones = _write_tombstone(table, newest, key, version)
    same_row = same_key(table, newest, key)
    compared = [_ComparedGroup(table, newest, group, version) for group in groups]
    any_newer = or_(*(group.newer for group in compared))
    none_newer = [group.older | group.unwritten for group in compared]
    deleted = table.delete().where(same_row, *none_newer).cte("penstock_deleted")
    any_older = or_(*(group.older for group in compared))
    emptied = _empty(table, compared).where(same_row, any_newer, any_older).cte("penstock_emptied")
    none_older = and_(*(group.newer | group.unwritten for group in compared))
    kept = select(newest.c[ID]).join(table, same_row).where(any_newer, none_older)
    newly_deleted = key_as_json(table, newest, key).in_(select(tombstones.c.key))
    applied = select(newest.c[ID]).where(newly_deleted, newest.c[ID].not_in(kept))
    return Writing([deleted, emptied], outcome_by_id(rows, applied))


def _write_tombstone(table: Table, newest: CTE, key: Sequence[str], version: str) -> CTE:
    rows = select(
        literal(table.fullname), key_as_json(table, newest, key).label("key"), cast(newest.c[version], Text)
    )
    ordered = rows.order_by(key_as_json(table, newest, key))
    statement = insert(tombstone).from_select(["target", "key", "version"], ordered, include_defaults=False)
    type_ = table.c[version].type
    return (
        statement.on_conflict_do_update(
            index_elements=["target", "key"],
            set_={"version": statement.excluded.version, "deleted_at": statement.excluded.deleted_at},
            where=cast_to_column(statement.excluded.version, type_) > cast_to_column(tombstone.c.version, type_),
        )
        .returning(tombstone.c.key)
        .cte("penstock_tombstones")
    )


class _ComparedGroup:
    """A group of columns, compared with a deletion."""

    def __init__(self, table: Table, newest: CTE, group: ColumnGroup, version: str) -> None:
        self.columns = (group.version, *group.columns)
        self.unwritten = table.c[group.version].is_(None)
        self.older = table.c[group.version] <= newest.c[version]
        self.newer = table.c[group.version] > newest.c[version]


def _empty(table: Table, groups: Sequence[_ComparedGroup]) -> Update:
    """Set the groups to null that are older than the deletion, in rows that a newer group keeps."""
    values = {name: case((group.older, null()), else_=table.c[name]) for group in groups for name in group.columns}
    return table.update().values(values)
