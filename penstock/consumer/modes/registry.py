"""All kinds that a drain writes, with their write modes, checked against each other."""

from collections.abc import Mapping, Sequence

from sqlalchemy import Table
from sqlalchemy.schema import sort_tables

from penstock.consumer.mapping.columns import BindingError, binding_error
from penstock.consumer.modes.append import Append
from penstock.consumer.modes.base import Bound, BoundWrite, ColumnGroup, WriteContext, WriteMode
from penstock.consumer.modes.commuting import Writer, columns_without_default, order_errors
from penstock.consumer.modes.delete import Delete
from penstock.consumer.modes.kind_write import KindWrite
from penstock.consumer.modes.several import fields_elsewhere, repetition_errors, unwritten_errors
from penstock.consumer.modes.statements import SetWrite
from penstock.consumer.modes.upsert import Upsert
from penstock.consumer.rows.recordset import IdentityRows
from penstock.consumer.rows.wire import Type
from penstock.intents import Contract, WriteIntent, kind_of
from penstock.intents.sealed import Opener

Tables = Sequence[Table | None]
"""All tables, parents before their children; None, for what writes no known table, comes last."""


class WriteRegistry:
    """The kinds and their write modes."""

    def __init__(self) -> None:
        self._intents: dict[str, type[WriteIntent]] = {}
        self._writers: dict[str, list[Writer]] = {}
        self._built: list[tuple[Writer, WriteContext, SetWrite]] = []

    def add(self, intent: type[WriteIntent], modes: Sequence[WriteMode]) -> None:
        """Register a kind with its write modes.

        Raises:
            BindingError: the intent and the tables do not agree, or the order of what all kinds write to a table
                would matter.
            TypeError: the kind is registered already, or the class has no kind.
        """
        kind = kind_of(intent)
        if kind in self._writers:
            raise TypeError(f"the kind {kind!r} is bound already: bind each kind once, to all of its write modes")
        self._intents[kind] = intent
        self._writers[kind] = [Writer(kind, mode) for mode in modes]
        try:
            for writer in self._writers[kind]:
                self._refuse_second_name(writer)
            order = self._tables_in_order()
            for other in self._kinds_beside(kind):
                self._bind(other, order)
        except BindingError:
            del self._intents[kind], self._writers[kind]
            raise

    def _refuse_second_name(self, writer: Writer) -> None:
        """Refuse a second Table object of one table: the modes would not be compared with each other."""
        table = writer.mode.table
        for other in self._all_writers():
            its = other.mode.table
            if table is not None and its is not None and table is not its and table.fullname == its.fullname:
                error = (
                    f"{writer.name_of(other)} has another Table object of the same name: bind both to one object"
                )
                raise binding_error(self._intents[writer.kind], table, [error])

    def contract(self, opener: Opener) -> Contract:
        """Return the contract that decodes the kinds.

        Args:
            opener: reads the values of `Sensitive` fields.

        Raises:
            TypeError: there are none.
        """
        return Contract(self._intents.values(), opener)

    def bound(self) -> list[Bound]:
        """Bind every kind, in the dependency order of the tables: parents before their children.

        If kinds with several tables are each other's parents, the order is that of their first tables.

        Raises:
            BindingError: an intent, its tables and its modes do not agree.
        """
        order = self._tables_in_order()
        left = sorted((self._bind(kind, order) for kind in self._writers), key=lambda bound: bound.parts[0].rank)
        ordered: list[Bound] = []
        while left:
            free = (one for one in left if not any(_refers(one, other) for other in left if other is not one))
            ordered.append(next(free, left[0]))
            left.remove(ordered[-1])
        return ordered

    def _bind(self, kind: str, order: Tables) -> Bound:
        writers = sorted(self._writers[kind], key=lambda writer: order.index(writer.mode.table))
        parts = [self._bind_part(writer, order) for writer in writers]
        if len(parts) > 1:
            parts = self._claim_once(writers, parts, order)
        streams = all(self._streams(writer.mode) for writer in writers)
        return Bound(kind, KindWrite([part.write for part in parts]), parts, streams)

    def _bind_part(self, writer: Writer, order: Tables, digested: Mapping[str, Type] | None = None) -> BoundWrite:
        intent, mode, writers = self._intents[writer.kind], writer.mode, self._writers_beside(writer)
        groups = self._groups(writers)
        rules = columns_without_default([other.mode for other in writers], groups)
        if errors := [*order_errors(writer, writers, groups, rules)]:
            raise binding_error(intent, mode.table, errors)
        deletable = any(isinstance(other.mode, Delete) for other in writers)
        zero_allowed = {name: rule.zero_allowed for name, rule in rules.items()}
        context = WriteContext(groups, deletable, zero_allowed, self._is_partial(writer), digested or {})
        write = self._build(writer, context)
        return BoundWrite(write, mode.table, order.index(mode.table), isinstance(mode, Delete), deletable)

    def _build(self, writer: Writer, context: WriteContext) -> SetWrite:
        """Build the statements of a writer, once for each context: each `add` and `bound` asks for them again."""
        for other, its_context, write in self._built:
            if other is writer and its_context == context:
                return write
        write = writer.mode.bind(self._intents[writer.kind], context)
        self._built.append((writer, context, write))
        return write

    def _claim_once(
        self, writers: Sequence[Writer], parts: Sequence[BoundWrite], order: Tables
    ) -> list[BoundWrite]:
        """Have the first of several writes claim the intents, by a digest of all their fields."""
        intent = self._intents[writers[0].kind]
        known = [part.write.requirements for part in parts if part.write.requirements]
        modes = [(writer.mode, part.write.requirements) for writer, part in zip(writers, parts, strict=True)]
        errors = [*repetition_errors(modes)]
        if len(known) < len(parts):
            # What a function of the service's takes of an intent is not known.
            claim = BoundWrite(SetWrite(IdentityRows(intent)), None, parts[0].rank)
            found = [claim, *parts]
        else:
            errors += unwritten_errors(intent, known)
            elsewhere = fields_elsewhere(known[0], known[1:])
            found = [self._bind_part(writers[0], order, elsewhere), *parts[1:]]
        if errors:
            raise binding_error(intent, None, errors)
        return found

    def _is_partial(self, writer: Writer) -> bool:
        return len(self._writers[writer.kind]) > 1

    def _streams(self, mode: WriteMode) -> bool:
        written = {writer.mode.table for writer in self._all_writers()}
        return isinstance(mode, Append) and not any(key.column.table in written for key in mode.table.foreign_keys)

    def _tables_in_order(self) -> Tables:
        tables = {table for writer in self._all_writers() if (table := writer.mode.table) is not None}
        # By name first: the order is the same in every process, so that no two of them lock tables crosswise.
        return [*sort_tables(sorted(tables, key=lambda table: table.fullname)), None]

    def _all_writers(self) -> list[Writer]:
        return [writer for writers in self._writers.values() for writer in writers]

    def _writers_beside(self, writer: Writer) -> list[Writer]:
        """Return the writers of a writer's table, itself among them."""
        table = writer.mode.table
        return [writer] if table is None else [one for one in self._all_writers() if one.mode.table is table]

    def _kinds_beside(self, kind: str) -> list[str]:
        """Return the kinds that write a table of this kind, itself among them."""
        beside = (other.kind for writer in self._writers[kind] for other in self._writers_beside(writer))
        return [*dict.fromkeys(beside)]

    def _groups(self, writers: Sequence[Writer]) -> list[ColumnGroup]:
        """Return the groups of columns that upserts among these writers write."""
        groups: dict[str, ColumnGroup] = {}
        for writer in writers:
            mode = writer.mode
            if isinstance(mode, Upsert):
                group = mode.group(self._intents[writer.kind], partial=self._is_partial(writer))
                for other in groups.values():
                    self._refuse_overlap(writer, group, other)
                groups[group.version] = group
        return list(groups.values())

    def _refuse_overlap(self, writer: Writer, group: ColumnGroup, other: ColumnGroup) -> None:
        """Refuse two upserts that would each overwrite a part of what the other one has written."""
        if group.version == other.version and group.columns == other.columns:
            return
        shared = sorted((group.columns | {group.version}) & (other.columns | {other.version}))
        if shared:
            error = (
                f"column {shared[0]!r} is written by another upsert, too, together with other columns: upserts of "
                "one table must write the same columns with the same version, or have no column in common"
            )
            raise binding_error(self._intents[writer.kind], writer.mode.table, [error])


def _refers(bound: Bound, other: Bound) -> bool:
    """Return whether a table of a kind has a foreign key to a table of another one."""
    return any(key.column.table in other.tables for table in bound.tables for key in table.foreign_keys)
