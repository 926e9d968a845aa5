"""All kinds that a drain writes, with their write modes, checked against each other."""

from collections.abc import Sequence

from sqlalchemy.schema import sort_tables

from penstock.consumer.mapping.columns import BindingError, binding_error
from penstock.consumer.modes.append import Append
from penstock.consumer.modes.base import Bound, ColumnGroup, TableContext, WriteMode
from penstock.consumer.modes.commuting import columns_without_default, order_errors
from penstock.consumer.modes.delete import Delete
from penstock.consumer.modes.upsert import Upsert
from penstock.intents import Contract, WriteIntent, kind_of


class WriteRegistry:
    """The kinds and their write modes."""

    def __init__(self) -> None:
        self._intents: dict[str, type[WriteIntent]] = {}
        self._modes: dict[str, WriteMode] = {}

    def add(self, intent: type[WriteIntent], mode: WriteMode) -> None:
        """Register a kind with its write mode.

        Raises:
            BindingError: the intent and the table do not agree, or the order of what all kinds write to the table
                would matter.
            TypeError: the kind is registered already, or the class has no kind.
        """
        kind = kind_of(intent)
        if kind in self._modes:
            raise TypeError(f"the kind {kind!r} is bound already: bind each kind once")
        self._refuse_second_name(intent, mode)
        self._intents[kind], self._modes[kind] = intent, mode
        try:
            for other in self._kinds_of_table(kind):
                self._bind(other)
        except BindingError:
            del self._intents[kind], self._modes[kind]
            raise

    def _refuse_second_name(self, intent: type[WriteIntent], mode: WriteMode) -> None:
        """Refuse a second Table object of one table: the modes would not be compared with each other."""
        for other, its in self._modes.items():
            if mode.table is None or its.table is None or mode.table is its.table:
                continue
            if mode.table.fullname == its.table.fullname:
                error = f"kind {other!r} has another Table object of the same name: bind both kinds to one object"
                raise binding_error(intent, mode.table, [error])

    def contract(self) -> Contract:
        """Return the contract that decodes the kinds.

        Raises:
            TypeError: there are none.
        """
        return Contract(self._intents.values())

    def bound(self) -> list[Bound]:
        """Bind every kind, in the dependency order of the tables: parents before their children.

        Raises:
            BindingError: an intent, its table and its mode do not agree.
        """
        tables = sort_tables({mode.table for mode in self._modes.values() if mode.table is not None})
        order = [*tables, None]
        return [self._bind(kind) for kind in sorted(self._modes, key=lambda k: order.index(self._modes[k].table))]

    def _bind(self, kind: str) -> Bound:
        mode, kinds = self._modes[kind], self._kinds_of_table(kind)
        groups = self._groups(kinds)
        modes = {other: self._modes[other] for other in kinds}
        rules = columns_without_default(modes, groups)
        if errors := [*order_errors(kind, modes, groups, rules)]:
            raise binding_error(self._intents[kind], mode.table, errors)
        deletable = any(isinstance(self._modes[k], Delete) for k in kinds)
        zero_allowed = {name: rule.zero_allowed for name, rule in rules.items()}
        context = TableContext(groups, deletable, zero_allowed)
        write = mode.bind(self._intents[kind], context)
        return Bound(kind, write, mode.table, isinstance(mode, Delete), deletable, self._streams(mode))

    def _streams(self, mode: WriteMode) -> bool:
        written = {other.table for other in self._modes.values()}
        return isinstance(mode, Append) and not any(key.column.table in written for key in mode.table.foreign_keys)

    def _kinds_of_table(self, kind: str) -> list[str]:
        """Return the kinds that are written to the table of that name, the kind itself among them."""
        table = self._modes[kind].table
        name = None if table is None else table.fullname
        others = [k for k, mode in self._modes.items() if mode.table is not None and mode.table.fullname == name]
        return others if table is not None else [kind]

    def _groups(self, kinds: Sequence[str]) -> list[ColumnGroup]:
        """Return the groups of columns that upserts of these kinds write."""
        groups: dict[str, ColumnGroup] = {}
        for kind in kinds:
            mode = self._modes[kind]
            if isinstance(mode, Upsert):
                group = mode.group(self._intents[kind])
                for other in groups.values():
                    self._refuse_overlap(kind, group, other)
                groups[group.version] = group
        return list(groups.values())

    def _refuse_overlap(self, kind: str, group: ColumnGroup, other: ColumnGroup) -> None:
        """Refuse two upserts that would each overwrite a part of what the other one has written."""
        if group.version == other.version and group.columns == other.columns:
            return
        shared = sorted((group.columns | {group.version}) & (other.columns | {other.version}))
        if shared:
            error = (
                f"column {shared[0]!r} is written by another upsert, too, together with other columns: upserts of "
                "one table must write the same columns with the same version, or have no column in common"
            )
            raise binding_error(self._intents[kind], self._modes[kind].table, [error])
