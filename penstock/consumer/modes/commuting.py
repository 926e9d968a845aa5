"""Which write modes may share a table: those whose result does not depend on the order of their intents."""

from collections.abc import Iterator, Mapping, Sequence

from sqlalchemy import Column, Table
from sqlalchemy.schema import DefaultClause

from penstock.consumer.modes.append import Append
from penstock.consumer.modes.base import ColumnGroup, WriteMode
from penstock.consumer.modes.delete import Delete
from penstock.consumer.modes.increment import Increment
from penstock.consumer.modes.upsert import Upsert

Keyed = Upsert | Increment | Delete


def order_errors(kind: str, modes: Mapping[str, WriteMode], groups: Sequence[ColumnGroup]) -> Iterator[str]:
    """Yield why the result would depend on the order, if these kinds are written to one table.

    Args:
        kind: the kind that is bound.
        modes: all kinds of the table, the kind itself among them, with their modes.
        groups: the groups of columns that upserts write.
    """
    table = modes[kind].table
    if table is None:
        return
    keyed = {name: mode for name, mode in modes.items() if isinstance(mode, Keyed)}
    yield from _other_declaration(kind, modes)
    yield from _append_beside_keyed(kind, modes)
    yield from _other_key(kind, keyed)
    yield from _added_and_upserted(table, keyed, groups)
    yield from _defaults(table, keyed, groups)


def _other_declaration(kind: str, modes: Mapping[str, WriteMode]) -> Iterator[str]:
    for other, mode in modes.items():
        if mode.table is not modes[kind].table:
            yield f"kind {other!r} is bound to another Table object of the same name: bind both kinds to one Table"


def _append_beside_keyed(kind: str, modes: Mapping[str, WriteMode]) -> Iterator[str]:
    """Refuse an Append beside a keyed mode. An appended row has no version that could be older or newer."""
    other = next((k for k, m in modes.items() if isinstance(m, Append) != isinstance(modes[kind], Append)), None)
    if other is not None:
        yield (
            f"kind {other!r} writes the same table, and only one of the two is an Append, so the result would "
            "depend on the order: write both by key, or give each its own table"
        )


def _other_key(kind: str, keyed: Mapping[str, Keyed]) -> Iterator[str]:
    """Refuse two keys: a row that one mode finds by its key can be made by the other one, or not, before."""
    own = keyed.get(kind)
    for other, mode in keyed.items():
        if own is not None and set(mode.key) != set(own.key):
            yield (
                f"kind {other!r} finds the rows of the table by the key {', '.join(mode.key)}, this one by "
                f"{', '.join(own.key)}, so the result would depend on the order: use one key"
            )


def _added_and_upserted(table: Table, keyed: Mapping[str, Keyed], groups: Sequence[ColumnGroup]) -> Iterator[str]:
    upserted = {column for group in groups for column in (group.version, *group.columns)}
    for added in sorted(_added(keyed)):
        if added in upserted:
            yield (
                f"column {added!r} is added to by an Increment and overwritten by an Upsert, so the result would "
                "depend on the order: give each its own column"
            )
        elif groups and not _starts_at_zero(table.c[added]):
            yield (
                f"column {added!r} has a server default other than 0, which a row gets from an Upsert and not "
                "from an Increment, so the result would depend on the order: make the default 0, or remove it"
            )


def _defaults(table: Table, keyed: Mapping[str, Keyed], groups: Sequence[ColumnGroup]) -> Iterator[str]:
    """Refuse defaults of a group that another kind's row would start with."""
    if len(groups) + bool(_added(keyed)) < 2:  # noqa: PLR2004
        return
    deletes = any(isinstance(mode, Delete) for mode in keyed.values())
    for group in groups:
        for name in (group.version, *(sorted(group.columns) if deletes else ())):
            if table.c[name].server_default is not None:
                yield (
                    f"column {name!r} has a server default, which it gets if another kind inserts the row first, "
                    "so the result would depend on the order: remove the default"
                )


def _added(keyed: Mapping[str, Keyed]) -> set[str]:
    return {column for mode in keyed.values() if isinstance(mode, Increment) for column in mode.added}


def _starts_at_zero(column: Column[object]) -> bool:
    default = column.server_default
    return default is None or (isinstance(default, DefaultClause) and str(default.arg).strip("'") == "0")
