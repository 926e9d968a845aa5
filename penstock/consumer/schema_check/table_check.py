"""Check one live table against the requirements of a write."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import ARRAY, Column, Computed, Connection, DefaultClause, Enum, Identity, Table

from penstock.consumer.modes.requirements import Privilege, Requirements
from penstock.consumer.schema_check.catalog import LiveColumn, Relation, UniqueIndex, read_relation, tables_like
from penstock.consumer.schema_check.finding import Finding, Severity, fault, warning
from penstock.consumer.schema_check.hazard_check import hazard_findings
from penstock.consumer.schema_check.live_type import enum_labels, read_type
from penstock.consumer.schema_check.type_check import is_assignable

_TABLE_KINDS: Final = {"r", "p"}
_VIEW: Final = "v"
_MIGRATE: Final = "run `penstock db upgrade` to apply the service's migrations"


def schema_drift(connection: Connection, requirements: Requirements) -> Iterator[Finding]:
    """Compare the requirements of a write with the database, as the connected role.

    Yields:
        The findings, without a kind.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the database cannot be read.
    """
    relation = read_relation(connection, requirements.table)
    if relation is None:
        yield _missing_table(connection, requirements.table)
        return
    for finding in TableCheck(connection, requirements, relation).findings():
        yield replace(finding, table=f"{relation.schema}.{relation.name}")


def _missing_table(connection: Connection, table: Table) -> Finding:
    others = [name for name in tables_like(connection, table.name) if name != table.fullname]
    similar = f"; there is {', '.join(map(repr, others))}" if others else ""
    where = "" if table.schema else " on the role's search_path"
    hint = f"correct the name or the schema of the Table{'' if table.schema else ', or set the search_path'}"
    problem = f"there is no such table{where}{similar}"
    return fault(problem, hint if others else _MIGRATE, table=table.fullname)


@dataclass(frozen=True, slots=True)
class TableCheck:
    """The requirements of one write, and the relation that they are checked against."""

    connection: Connection
    requirements: Requirements
    relation: Relation

    def findings(self) -> Iterator[Finding]:
        """Yield every difference between the live table and the requirements."""
        if self.relation.kind not in {*_TABLE_KINDS, _VIEW}:
            yield fault(
                "the relation is neither a table nor a view",
                "write to a table, since only a table's rows commit together with the ledger",
            )
            return
        yield from self._check_access()
        for key in self.requirements.columns:
            column, field = self.requirements.table.c[key], self.requirements.fields.get(key)
            yield from (replace(one, column=column.name, field=field) for one in self._check_column(column))
        if self.requirements.inserts:
            yield from self._check_omitted_columns()
        if self.requirements.key:
            yield from self._check_unique_key()
        for privilege, columns in self.requirements.privileges.items():
            names = [self.requirements.table.c[key].name for key in columns]
            yield from self._check_privilege(privilege, names)
        yield from hazard_findings(self.connection, self.requirements, self.relation)

    def _check_access(self) -> Iterator[Finding]:
        """Check what concerns the table as a whole."""
        refused = sorted({*self.requirements.privileges} - {"SELECT"} - self.relation.commands)
        if refused:
            yield fault(f"the view does not accept {' and '.join(refused)}", "write to the table behind the view")
        if not self.relation.schema_usable:
            yield fault(
                f"the role {self.relation.role!r} may not use the schema {self.relation.schema!r}",
                f"GRANT USAGE ON SCHEMA {self._quote(self.relation.schema)} TO {self._role}",
            )
        if self.relation.row_security:
            yield warning(
                f"row level security limits what the role {self.relation.role!r} can read and write",
                "check that the policies allow every intent, or give the role BYPASSRLS",
            )

    def _check_column(self, column: Column[Any]) -> Iterator[Finding]:
        """Check one declared column against the live one."""
        live = self.relation.columns.get(column.name)
        if live is None:
            similar = [name for name in self.relation.columns if name.lower() == column.name.lower()]
            other = f"; there is {similar[0]!r}, and case matters" if similar else ""
            yield fault(f"there is no such column{other}", _MIGRATE)
            return
        if live.generated and column.key in self.requirements.fields:
            yield fault(
                "Postgres generates the column, so it accepts no value", "remove the field from the binding"
            )
        if live.not_null and column.key in self.requirements.nulls:
            owner = f"ALTER DOMAIN {live.domain}" if live.domain else self._alter(live)
            hint = f"{owner} DROP NOT NULL, or always give the column a value"
            yield fault("the write may set the column to null, but it is NOT NULL in the database", hint)
        yield from self._check_type(column, live)

    def _check_type(self, column: Column[Any], live: LiveColumn) -> Iterator[Finding]:
        written = column.type.compile(dialect=self.connection.dialect).partition(" COLLATE ")[0]
        try:
            declared = read_type(self.connection, written)
        except ValueError:
            return  # Postgres cannot parse this type on its own, so nothing is known about it.
        if declared is None:
            yield fault(f"the declared type {written} does not exist", _MIGRATE)
        elif not is_assignable(declared, live.type):
            problem = f"the column is declared as {declared.text} and is {live.type.text} in the database"
            yield fault(problem, f"{self._alter(live)} TYPE {declared.text}, or declare it as {live.type.text}")
        else:
            yield from self._check_labels(column, written)

    def _check_labels(self, column: Column[Any], written: str) -> Iterator[Finding]:
        type_ = column.type.item_type if isinstance(column.type, ARRAY) else column.type
        if not isinstance(type_, Enum) or not type_.native_enum:
            return
        name = written.rstrip("[]")
        existing = enum_labels(self.connection, name)
        for label in type_.enums:
            if label not in existing:
                quoted = label.replace("'", "''")
                yield fault(
                    f"the type {name} lacks the label {label!r}", f"ALTER TYPE {name} ADD VALUE '{quoted}'"
                )

    def _check_omitted_columns(self) -> Iterator[Finding]:
        """Check the live columns that an INSERT gives no value."""
        given = {self.requirements.table.c[key].name for key in self.requirements.fields}
        for live in self.relation.columns.values():
            if live.name in given:
                continue
            if live.not_null and not live.has_default and not live.generated:
                yield from self._check_trigger_fills(live)
            if live.denied_sequence:
                sequence = live.denied_sequence
                yield fault(
                    f"the default uses the sequence {sequence}, which the role {self.relation.role!r} may not use",
                    f"GRANT USAGE ON SEQUENCE {sequence} TO {self._role}",
                    column=live.name,
                )

    def _check_trigger_fills(self, live: LiveColumn) -> Iterator[Finding]:
        """Check a column that is NOT NULL and gets no value. Only a trigger can fill it."""
        problem = "the column is NOT NULL, has no default and gets no field"
        hint = f"{self._alter(live)} SET DEFAULT …, or bind a field to the column"
        triggers = [one for one in self.relation.triggers if "INSERT" in one.commands and not one.instead]
        if not triggers:
            yield fault(problem, hint, column=live.name)
        elif not self._declared_as_fetched(live.name):
            names = ", ".join(repr(one.name) for one in triggers)
            yield warning(
                f"{problem}, so the trigger {names} has to fill it",
                f"declare the column with server_default=FetchedValue() if it does; else {hint}",
                column=live.name,
            )

    def _declared_as_fetched(self, name: str) -> bool:
        """Return whether the Table says that the database fills a column by other means than a default."""
        default = next((c.server_default for c in self.requirements.table.c if c.name == name), None)
        return default is not None and not isinstance(default, DefaultClause | Computed | Identity)

    def _check_unique_key(self) -> Iterator[Finding]:
        """Check that `ON CONFLICT` can infer a unique index on the key (PostgreSQL documentation, "INSERT")."""
        names = [self.requirements.table.c[key].name for key in self.requirements.key]
        key = ", ".join(map(repr, names))
        if self.relation.kind == _VIEW:
            note = f"the check cannot determine whether {key} is unique in the table behind the view"
            yield Finding(severity=Severity.NOTE, problem=note)
            return
        candidates = [index for index in self.relation.unique_indexes if index.columns == {*names}]
        reasons = [_unusable(index) for index in candidates]
        if None not in reasons:
            why = f" ({'; '.join(reason for reason in reasons if reason)})" if reasons else ""
            quoted = ", ".join(map(self._quote, names))
            hint = f"CREATE UNIQUE INDEX CONCURRENTLY ON {self._name} ({quoted})"
            yield fault(f"{key} has no unique index that ON CONFLICT can use{why}", hint)

    def _check_privilege(self, privilege: Privilege, names: Sequence[str]) -> Iterator[Finding]:
        """Check a privilege, on the given columns, or on the whole table if no columns are given."""
        columns = [self.relation.columns[name] for name in names if name in self.relation.columns]
        lacking = ", ".join(self._quote(live.name) for live in columns if privilege not in live.privileges)
        if lacking or (not names and privilege not in self.relation.privileges):
            scope = f"{privilege} ({lacking})" if lacking else privilege
            yield fault(
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


def _unusable(index: UniqueIndex) -> str | None:
    """Return why ON CONFLICT cannot use a unique index on the key; None if it can."""
    if not index.valid:
        return f"{index.name!r} is invalid, because its build failed"
    if index.partial:
        return f"{index.name!r} covers only a part of the rows"
    return f"{index.name!r} is deferrable" if index.deferrable else None
