"""Which modes may write one table: those whose intents leave the same table in any order.

The writes of one kind to one table are held against each other as those of different kinds are.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Column, Table

from penstock.consumer.modes.append import Append
from penstock.consumer.modes.base import ColumnGroup, WriteMode
from penstock.consumer.modes.delete import Delete
from penstock.consumer.modes.increment import Increment
from penstock.consumer.modes.upsert import Upsert


class Writer(NamedTuple):
    """A kind, and one of its modes."""

    kind: str
    mode: WriteMode

    def name_of(self, other: "Writer") -> str:
        """Return what an error of this writer calls another one."""
        return "another write of the kind" if other.kind == self.kind else f"kind {other.kind!r}"


Others = Sequence[tuple[str, WriteMode]]
"""The other modes of a table, each with what an error calls it."""

_KEYED = (Upsert, Increment, Delete)


def order_errors(
    writer: Writer, writers: Sequence[Writer], groups: Sequence[ColumnGroup], rules: Mapping[str, "NoDefault"]
) -> Iterator[str]:
    """Yield why the order of a writer's intents and of others would matter, and how to change that.

    Args:
        writer: the writer.
        writers: all writers of its table, itself among them.
        groups: the groups of columns that upserts of the table write.
        rules: what `columns_without_default` returns for them.
    """
    mode = writer.mode
    others = [(writer.name_of(other), other.mode) for other in writers if other is not writer]
    yield from _append_errors(mode, others)
    yield from _key_errors(mode, others)
    if isinstance(mode, Delete):
        yield from _tombstone_errors(mode, others)
    if isinstance(mode, Increment):
        yield from _sum_errors(mode, groups)
    if isinstance(mode, _KEYED):
        for name, rule in rules.items():
            if _breaks(mode.table, name, rule):
                yield f"column {name!r} has a server default, {rule.why}: remove the default"


class NoDefault(NamedTuple):
    """Why a column must have no default.

    Attributes:
        why: what the default would do.
        zero_allowed: whether a default of 0 does no harm.
    """

    why: str
    zero_allowed: bool = False


def columns_without_default(modes: Sequence[WriteMode], groups: Sequence[ColumnGroup]) -> dict[str, NoDefault]:
    """Return the columns for which a default would make the order matter, with the reason."""
    increments = [mode for mode in modes if isinstance(mode, Increment)]
    added = {column for mode in increments for column in mode.add}
    why = "to which is added only if another kind inserts the row: the sum would depend on which comes first"
    found = {
        column: NoDefault(why, zero_allowed=True)
        for column in sorted(added)
        if groups or any(column not in mode.add for mode in increments)
    }
    if len(groups) + bool(added) > 1:
        why = "which would count as a version if another kind inserts the row"
        found |= dict.fromkeys((group.version for group in groups), NoDefault(why))
        if any(isinstance(mode, Delete) for mode in modes):
            why = "but a Delete sets the column to null where another kind keeps the row"
            columns = (column for group in groups for column in sorted(group.columns))
            found |= dict.fromkeys(columns, NoDefault(why))
    return found


def _append_errors(mode: WriteMode, others: Others) -> Iterator[str]:
    """Refuse an Append beside a keyed mode. An appended row has no version that could be older or newer."""
    for other, its in others:
        if isinstance(mode, Append) != isinstance(its, Append):
            yield (
                f"{other} writes the same table, and only one of the two is an Append, so the result would "
                "depend on the order: write both by key, or give each its own table"
            )
            return


def _key_errors(mode: WriteMode, others: Others) -> Iterator[str]:
    """Refuse two keys for one table: what one kind calls a row, another would find or miss by chance."""
    for other, its in others:
        if isinstance(mode, _KEYED) and isinstance(its, _KEYED) and mode.key != its.key:
            yield (
                f"{other} finds the rows of the table by the key {_names(its.key)}, and this one by "
                f"{_names(mode.key)}, so the result would depend on the order: use the same columns, in the same "
                "order, as the key of all kinds"
            )
            return


def _tombstone_errors(mode: Delete, others: Others) -> Iterator[str]:
    """Refuse two Deletes whose versions cannot be compared. A key has one tombstone, with one version."""
    for other, its in others:
        if isinstance(its, Delete) and repr(mode.table.c[mode.version].type) != repr(
            its.table.c[its.version].type
        ):
            yield (
                f"{other} deletes rows of the table by the version {its.version!r}, this one by "
                f"{mode.version!r}, and the two columns differ in type: use one column for both"
            )
            return


def _sum_errors(mode: Increment, groups: Sequence[ColumnGroup]) -> Iterator[str]:
    for group in groups:
        for column in sorted({*mode.add} & {group.version, *group.columns}):
            yield (
                f"column {column!r} is added to, and an Upsert of the table writes it, too, so the result would "
                "depend on which comes first: give each a column of its own"
            )


def _breaks(table: Table, name: str, rule: NoDefault) -> bool:
    if name not in table.c or not _has_default(table.c[name]):
        return False
    return not (rule.zero_allowed and _defaults_to_zero(table.c[name]))


def _has_default(column: Column[Any]) -> bool:
    """Return whether Postgres gives the column a value that an INSERT does not name."""
    return column.server_default is not None or column.identity is not None or column.computed is not None


def _defaults_to_zero(column: Column[Any]) -> bool:
    """Return whether the value that Postgres gives a column is 0, which adds nothing."""
    given: Any = getattr(column.server_default, "arg", None)
    return str(getattr(given, "text", given)).strip("'() ") in ("0", "0.0", "0.00")


def _names(key: Sequence[str]) -> str:
    return ", ".join(map(repr, key))
