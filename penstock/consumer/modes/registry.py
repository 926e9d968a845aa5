"""All that a drain writes: which kind lands where, held against each other."""

from collections.abc import Sequence

from sqlalchemy.schema import sort_tables

from penstock.consumer.mapping.columns import BindingError
from penstock.consumer.modes.append import Append
from penstock.consumer.modes.base import Bound, ColumnGroup, TableContext, WriteMode
from penstock.consumer.modes.delete import Delete
from penstock.consumer.modes.upsert import Upsert
from penstock.intents import Contract, WriteIntent, kind_of


class Bindings:
    """The kinds and their write modes."""

    def __init__(self) -> None:
        self._intents: dict[str, type[WriteIntent]] = {}
        self._modes: dict[str, WriteMode] = {}

    def add(self, intent: type[WriteIntent], mode: WriteMode) -> None:
        """Have a kind written by a mode.

        Raises:
            BindingError: they do not go together, or with what else is written to the table.
            TypeError: the kind is written already, or the class has none.
        """
        kind = kind_of(intent)
        if kind in self._modes:
            raise TypeError(f"the kind {kind!r} is written already")
        self._intents[kind], self._modes[kind] = intent, mode
        try:
            for other in self._beside(kind):
                self._bind(other)
        except BindingError:
            del self._intents[kind], self._modes[kind]
            raise

    def contract(self) -> Contract:
        """Return what reads the kinds.

        Raises:
            TypeError: there are none.
        """
        return Contract(self._intents.values())

    def bound(self) -> list[Bound]:
        """Bind every kind, in the dependency order of the tables: parents land before their children.

        Raises:
            BindingError: something does not go together.
        """
        tables = sort_tables({mode.table for mode in self._modes.values() if mode.table is not None})
        order = [*tables, None]
        return [self._bind(kind) for kind in sorted(self._modes, key=lambda k: order.index(self._modes[k].table))]

    def _bind(self, kind: str) -> Bound:
        mode, beside = self._modes[kind], self._beside(kind)
        groups = self._groups(beside)
        self._check_beside(kind, beside)
        mortal = any(isinstance(self._modes[k], Delete) for k in beside)
        write = mode.bind(self._intents[kind], TableContext(groups, mortal))
        return Bound(kind, write, mode.table, isinstance(mode, Delete), mortal, self._streams(mode))

    def _streams(self, mode: WriteMode) -> bool:
        written = {other.table for other in self._modes.values()}
        return isinstance(mode, Append) and not any(key.column.table in written for key in mode.table.foreign_keys)

    def _beside(self, kind: str) -> list[str]:
        """Return the kinds that are written to the same table, the kind itself among them."""
        table = self._modes[kind].table
        return [k for k, mode in self._modes.items() if k == kind or (table is not None and mode.table is table)]

    def _groups(self, kinds: Sequence[str]) -> list[ColumnGroup]:
        """Return the groups of columns that upserts of these kinds write."""
        groups: dict[str, ColumnGroup] = {}
        for kind in kinds:
            mode = self._modes[kind]
            if isinstance(mode, Upsert):
                group = mode.group(self._intents[kind])
                for other in groups.values():
                    _check_apart(kind, group, other)
                groups[group.version] = group
        return list(groups.values())

    def _check_beside(self, kind: str, beside: Sequence[str]) -> None:
        """Refuse modes that do not commute: what is appended has no version to be older or newer by."""
        appends = [isinstance(self._modes[k], Append) for k in beside]
        if any(appends) and not all(appends):
            table = self._modes[kind].table
            raise BindingError(f"{kind}: {table} is appended to, and written by key, too: the order would matter")


def _check_apart(kind: str, group: ColumnGroup, other: ColumnGroup) -> None:
    """Refuse two upserts that would each overwrite a part of what the other one has written."""
    if group.version == other.version and group.columns == other.columns:
        return
    shared = sorted((group.columns | {group.version}) & (other.columns | {other.version}))
    if shared:
        raise BindingError(
            f"{kind}: column {shared[0]!r} is written by another upsert, too, together with other columns; "
            "columns that are written together need a version of their own"
        )
