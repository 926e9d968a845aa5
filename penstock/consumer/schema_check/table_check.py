"""Whether a table of the database is what a write demands, and how to make it that."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import ARRAY, Column, Connection, Enum, Table

from penstock.consumer.modes.requirements import Privilege, Requirements
from penstock.consumer.schema_check.catalog import (
    LiveColumn,
    Relation,
    UniqueIndex,
    labels_of,
    read_relation,
    read_type,
    tables_like,
)
from penstock.consumer.schema_check.finding import Finding, Severity
from penstock.consumer.schema_check.type_check import is_assignable

_TABLES: Final = {"r", "p"}
_VIEW: Final = "v"
_MIGRATE: Final = "`penstock db upgrade` applies the service's migrations"


def schema_drift(connection: Connection, requirements: Requirements) -> Iterator[Finding]:
    """Hold requirements against the database, as the role that is connected.

    Yields:
        What is found, of no kind in particular.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the database cannot be asked.
    """
    relation = read_relation(connection, requirements.table)
    if relation is None:
        yield _missing(connection, requirements.table)
        return
    for finding in TableCheck(connection, requirements, relation).findings():
        yield replace(finding, table=f"{relation.schema}.{relation.name}")


def _missing(connection: Connection, table: Table) -> Finding:
    others = [name for name in tables_like(connection, table.name) if name != table.fullname]
    there = f"; there is {', '.join(map(repr, others))}" if others else ""
    way = "" if table.schema else " on the role's search_path"
    hint = f"name the Table and its schema as they are{'' if table.schema else ', or set the search_path'}"
    return _fault(f"there is no such table{way}{there}", hint if others else _MIGRATE, table=table.fullname)


def _fault(problem: str, hint: str | None, **place: str | None) -> Finding:
    return Finding(severity=Severity.FAULT, problem=problem, hint=hint, **place)


@dataclass(frozen=True, slots=True)
class TableCheck:
    """The requirements of one write, held against the relation that they are about."""

    connection: Connection
    requirements: Requirements
    relation: Relation

    def findings(self) -> Iterator[Finding]:
        """Yield what in the live table does not fit the requirements."""
        if self.relation.kind not in {*_TABLES, _VIEW}:
            yield _fault(
                "that is no table and no view, but something else",
                "write to a table: only its rows commit together with the ledger",
            )
            return
        yield from self._reach()
        for key in self.requirements.columns:
            column, field = self.requirements.table.c[key], self.requirements.fields.get(key)
            yield from (replace(one, column=column.name, field=field) for one in self._column(column))
        if self.requirements.inserts:
            yield from self._left_out()
        if self.requirements.key:
            yield from self._uniqueness()
        for privilege, columns in self.requirements.privileges.items():
            yield from self._privilege(privilege, [self.requirements.table.c[key].name for key in columns])

    def _reach(self) -> Iterator[Finding]:
        """Look at the table as a whole."""
        refused = sorted({*self.requirements.privileges} - {"SELECT"} - self.relation.writable)
        if refused:
            yield _fault(f"the view does not take {' and '.join(refused)}", "write to the table behind it")
        if not self.relation.usable:
            schema = self._quote(self.relation.schema)
            yield _fault(
                f"the role {self.relation.role!r} may not use the schema {self.relation.schema!r}",
                f"GRANT USAGE ON SCHEMA {schema} TO {self._role}",
            )
        if self.relation.guarded:
            yield Finding(
                severity=Severity.WARNING,
                problem=f"row level security decides which rows the role {self.relation.role!r} sees and writes",
                hint="see that its policies let every intent pass, or give the role BYPASSRLS",
            )

    def _column(self, column: Column[Any]) -> Iterator[Finding]:
        """Hold one column against the declared one."""
        live = self.relation.columns.get(column.name)
        if live is None:
            alike = [name for name in self.relation.columns if name.lower() == column.name.lower()]
            other = f"; there is {alike[0]!r}, and case matters" if alike else ""
            yield _fault(f"there is no such column{other}", _MIGRATE)
            return
        if live.generated and column.key in self.requirements.fields:
            yield _fault("Postgres generates it, and it cannot be given", "leave the field out")
        if live.not_null and column.key in self.requirements.nulls:
            culprit = f"ALTER DOMAIN {live.domain}" if live.domain else self._alter(live)
            hint = f"{culprit} DROP NOT NULL, or never leave it empty"
            yield _fault("it may become null, which the database does not allow", hint)
        yield from self._type(column, live)

    def _type(self, column: Column[Any], live: LiveColumn) -> Iterator[Finding]:
        written = column.type.compile(dialect=self.connection.dialect).partition(" COLLATE ")[0]
        try:
            declared = read_type(self.connection, written)
        except ValueError:
            return  # Not a type that Postgres reads out of context: nothing is known of it.
        if declared is None:
            yield _fault(f"there is no type {written}, as which it is declared", _MIGRATE)
        elif not is_assignable(declared, live.type):
            problem = f"it is declared as {declared.text} and is {live.type.text} in the database"
            yield _fault(problem, f"{self._alter(live)} TYPE {declared.text}, or declare it as it is")
        else:
            yield from self._labels(column, written)

    def _labels(self, column: Column[Any], written: str) -> Iterator[Finding]:
        type_ = column.type.item_type if isinstance(column.type, ARRAY) else column.type
        if not isinstance(type_, Enum) or not type_.native_enum:
            return
        name = written.rstrip("[]")
        there = labels_of(self.connection, name)
        for label in type_.enums:
            if label not in there:
                quoted = label.replace("'", "''")
                yield _fault(
                    f"the type {name} lacks the label {label!r}", f"ALTER TYPE {name} ADD VALUE '{quoted}'"
                )

    def _left_out(self) -> Iterator[Finding]:
        """Look at the columns that get nothing when a row is made."""
        given = {self.requirements.table.c[key].name for key in self.requirements.fields}
        for live in self.relation.columns.values():
            if live.name in given:
                continue
            if live.not_null and not live.made and not live.generated:
                hint = f"{self._alter(live)} SET DEFAULT …, or give it a field"
                yield _fault("it may not be null, has no default and gets no field", hint, column=live.name)
            if live.locked_sequence:
                sequence = live.locked_sequence
                yield _fault(
                    f"its default is of {sequence}, which the role {self.relation.role!r} may not use",
                    f"GRANT USAGE ON SEQUENCE {sequence} TO {self._role}",
                    column=live.name,
                )

    def _uniqueness(self) -> Iterator[Finding]:
        """Look for what `ON CONFLICT` finds the key by (PostgreSQL documentation, "INSERT")."""
        names = [self.requirements.table.c[key].name for key in self.requirements.key]
        key = ", ".join(map(repr, names))
        if self.relation.kind == _VIEW:
            note = f"whether {key} is unique in the table behind the view has not been checked"
            yield Finding(severity=Severity.NOTE, problem=note)
            return
        alike = [index for index in self.relation.unique if index.columns == {*names}]
        reasons = [_unfit(index) for index in alike]
        if None not in reasons:
            why = f" ({'; '.join(reason for reason in reasons if reason)})" if reasons else ""
            quoted = ", ".join(map(self._quote, names))
            hint = f"CREATE UNIQUE INDEX CONCURRENTLY ON {self._name} ({quoted})"
            yield _fault(f"nothing that ON CONFLICT could use makes {key} unique{why}", hint)

    def _privilege(self, privilege: Privilege, names: Sequence[str]) -> Iterator[Finding]:
        """Look for a privilege, on the whole table or on the columns that it is needed on."""
        columns = [self.relation.columns[name] for name in names if name in self.relation.columns]
        lacking = ", ".join(self._quote(live.name) for live in columns if privilege not in live.granted)
        if lacking or (not names and privilege not in self.relation.granted):
            scope = f"{privilege} ({lacking})" if lacking else privilege
            yield _fault(
                f"the role {self.relation.role!r} lacks the privilege {scope}",
                f"GRANT {scope} ON {self._name} TO {self._role}",
            )

    @property
    def _name(self) -> str:
        return f"{self._quote(self.relation.schema)}.{self._quote(self.relation.name)}"

    @property
    def _role(self) -> str:
        return self._quote(self.relation.role)

    def _alter(self, column: LiveColumn) -> str:
        return f"ALTER TABLE {self._name} ALTER COLUMN {self._quote(column.name)}"

    def _quote(self, name: str) -> str:
        return self.connection.dialect.identifier_preparer.quote(name)


def _unfit(index: UniqueIndex) -> str | None:
    """Say why a unique index on the key does not serve; None if it does."""
    if not index.valid:
        return f"{index.name!r} is invalid: it could not be built"
    if index.partial:
        return f"{index.name!r} covers a part of the rows"
    return f"{index.name!r} is deferrable" if index.deferrable else None
