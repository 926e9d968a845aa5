"""What Postgres's catalogs say of a table, and of what the connected role may do with it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Table, text
from sqlalchemy.exc import ProgrammingError

_MODIFIERS = re.compile(r"\((-?\d+)(?:, ?(-?\d+))?\)")


@dataclass(frozen=True, slots=True)
class Server:
    """The server.

    Attributes:
        version: such as 180001 for 18.1.
        standby: whether it only follows another server.
        read_only: whether transactions are, unless they say otherwise.
    """

    version: int
    standby: bool
    read_only: bool


@dataclass(frozen=True, slots=True)
class LiveType:
    """A type, as Postgres names it; a domain is taken for what it is made of.

    Attributes:
        base: its name without modifiers, `character varying[]` for one.
        modifiers: a length, or a precision and perhaps a scale.
        text: all of it, as it is written in SQL.
    """

    base: str
    modifiers: tuple[int, ...]
    text: str


@dataclass(frozen=True, slots=True)
class LiveColumn:
    """A column.

    Attributes:
        name: its name.
        type: its type.
        not_null: whether it may not be null.
        domain: the domain that says so, where the column itself does not.
        made: whether Postgres makes a value where none is given.
        generated: whether no value can be given.
        granted: the privileges that the role has on it: SELECT, INSERT, UPDATE.
        locked_sequence: the sequence that its default takes numbers from, if the role may not use that.
    """

    name: str
    type: LiveType
    not_null: bool
    domain: str | None
    made: bool
    generated: bool
    granted: frozenset[str]
    locked_sequence: str | None


@dataclass(frozen=True, slots=True)
class UniqueIndex:
    """A unique index, that of a constraint perhaps.

    Attributes:
        name: its name.
        columns: the columns that it keeps unique; None among them stands for an expression.
        partial: whether it covers only some rows.
        deferrable: whether its constraint may wait for the end of the transaction.
        valid: whether it is whole: one that could not be built to the end is not.
    """

    name: str
    columns: frozenset[str | None]
    partial: bool
    deferrable: bool
    valid: bool


@dataclass(frozen=True, slots=True)
class Relation:
    """A table, or what else has its name.

    Attributes:
        schema: the schema that it was found in.
        name: its name.
        kind: a letter of pg_class.relkind: `r` a table, `p` a partitioned one, `v` a view.
        role: who asks.
        usable: whether the role may use the schema.
        guarded: whether row level security applies to the role.
        writable: the commands that it takes: INSERT, UPDATE, DELETE.
        granted: the privileges that the role has on all of it.
        columns: its columns by name.
        unique: its unique indexes.
    """

    schema: str
    name: str
    kind: str
    role: str
    usable: bool
    guarded: bool
    writable: frozenset[str]
    granted: frozenset[str]
    columns: Mapping[str, LiveColumn]
    unique: tuple[UniqueIndex, ...]


def read_server(connection: Connection) -> Server:
    """Read about the server."""
    return Server(**connection.execute(_SERVER).one()._asdict())


def read_relation(connection: Connection, table: Table) -> Relation | None:
    """Read about a table; None where there is none, or none that its name alone would find."""
    row = connection.execute(_RELATION, {"name": table.name, "schema": table.schema}).one_or_none()
    if row is None:
        return None
    oid = {"oid": row.oid}
    columns = [_column(one._asdict()) for one in connection.execute(_COLUMNS, oid)]
    unique = [_index(one._asdict()) for one in connection.execute(_UNIQUE, oid)]
    return Relation(
        schema=row.schema,
        name=table.name,
        kind=row.kind,
        role=row.role,
        usable=row.usable,
        guarded=row.guarded,
        writable=frozenset(row.writable),
        granted=frozenset(row.granted),
        columns={column.name: column for column in columns},
        unique=tuple(unique),
    )


def tables_like(connection: Connection, name: str) -> list[str]:
    """Return the tables of any schema that have this name, but for upper and lower case."""
    return list(connection.scalars(_ALIKE, {"name": name}))


def tables_of(connection: Connection, schema: str) -> dict[str, frozenset[str]]:
    """Return the privileges on each table of a schema, by its name; those on partitions are not needed."""
    return {row.name: frozenset(row.granted) for row in connection.execute(_TABLES, {"schema": schema})}


def read_type(connection: Connection, name: str) -> LiveType | None:
    """Read about a type that is written as in SQL.

    Returns:
        None where there is no such type.

    Raises:
        ValueError: Postgres cannot read that.
    """
    try:
        with connection.begin_nested():
            row = connection.execute(_TYPE, {"name": name}).one_or_none()
    except ProgrammingError as error:
        raise ValueError(name) from error
    return LiveType(row.base, _modifiers(row.whole) or _modifiers(name), name) if row else None


def labels_of(connection: Connection, name: str) -> list[str]:
    """Return the labels of an enumerated type that is written as in SQL."""
    return list(connection.scalars(_LABELS, {"name": name}))


def _column(row: dict[str, Any]) -> LiveColumn:
    base, whole = row.pop("base"), row.pop("whole")
    type_ = LiveType(base, _modifiers(whole), whole)
    return LiveColumn(**row | {"type": type_, "granted": frozenset(row["granted"])})


def _index(row: dict[str, Any]) -> UniqueIndex:
    return UniqueIndex(**row | {"columns": frozenset(row["columns"])})


def _modifiers(whole: str) -> tuple[int, ...]:
    """Read the numbers in the brackets; none where the name is quoted and may hold anything."""
    found = None if '"' in whole else _MODIFIERS.search(whole)
    return tuple(int(number) for number in found.groups() if number is not None) if found else ()


_SERVER = text(
    """
    SELECT current_setting('server_version_num')::int AS version,
        pg_is_in_recovery() AS standby, current_setting('default_transaction_read_only')::boolean AS read_only
    """
)

# Bits of pg_relation_is_updatable: 1 << CMD_UPDATE (2), CMD_INSERT (3), CMD_DELETE (4).
_RELATION = text(
    """
    SELECT c.oid, n.nspname::text AS schema, c.relkind::text AS kind, current_user::text AS role,
        has_schema_privilege(n.oid, 'USAGE') AS usable, row_security_active(c.oid) AS guarded,
        ARRAY(
            SELECT command FROM (VALUES (2, 'UPDATE'), (3, 'INSERT'), (4, 'DELETE')) AS commands (bit, command)
            WHERE CASE c.relkind WHEN 'v' THEN pg_relation_is_updatable(c.oid, false) ELSE -1 END & (1 << bit) <> 0
        ) AS writable,
        ARRAY(
            SELECT privilege FROM unnest('{SELECT,INSERT,UPDATE,DELETE}'::text[]) AS privilege
            WHERE has_table_privilege(c.oid, privilege)
        ) AS granted
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relname = :name
        AND CASE WHEN CAST(:schema AS text) IS NULL THEN pg_table_is_visible(c.oid) ELSE n.nspname = :schema END
    """
)

_COLUMNS = text(
    """
    WITH RECURSIVE base (number, type, modifier, not_null, made) AS (
        SELECT attnum, atttypid, atttypmod, attnotnull, atthasdef OR attidentity <> '' FROM pg_attribute
        WHERE attrelid = :oid AND attnum > 0 AND NOT attisdropped
        UNION ALL
        SELECT number, typbasetype, typtypmod, not_null OR typnotnull, made OR typdefault IS NOT NULL
        FROM base JOIN pg_type ON pg_type.oid = type WHERE typtype = 'd'
    )
    SELECT attname::text AS name, format_type(type, NULL) AS base, format_type(type, modifier) AS whole,
        not_null, CASE WHEN not_null AND NOT attnotnull THEN format_type(atttypid, NULL) END AS domain,
        made, attgenerated <> '' OR attidentity = 'a' AS generated,
        ARRAY(
            SELECT privilege FROM unnest('{SELECT,INSERT,UPDATE}'::text[]) AS privilege
            WHERE has_column_privilege(attrelid, attnum, privilege)
        ) AS granted,
        (
            SELECT refobjid::regclass::text
            FROM pg_attrdef d JOIN pg_depend ON classid = 'pg_attrdef'::regclass AND objid = d.oid
            JOIN pg_class s ON refclassid = 'pg_class'::regclass AND s.oid = refobjid
            WHERE adrelid = attrelid AND adnum = attnum
                AND CASE s.relkind WHEN 'S' THEN NOT has_sequence_privilege(s.oid, 'USAGE, UPDATE') END
            LIMIT 1
        ) AS locked_sequence
    FROM base JOIN pg_type ON pg_type.oid = type AND typtype <> 'd'
    JOIN pg_attribute ON attrelid = :oid AND attnum = number
    ORDER BY attnum
    """
)

_UNIQUE = text(
    """
    SELECT c.relname::text AS name, indpred IS NOT NULL AS partial, NOT indimmediate AS deferrable,
        indisvalid AND indisready AS valid,
        ARRAY(
            SELECT attname::text FROM unnest(indkey::int2[]) WITH ORDINALITY AS keys (number, place)
            LEFT JOIN pg_attribute ON attrelid = indrelid AND attnum = number AND number <> 0
            WHERE place <= indnkeyatts
        ) AS columns
    FROM pg_index JOIN pg_class c ON c.oid = indexrelid
    WHERE indrelid = :oid AND indisunique
    ORDER BY c.relname
    """
)

_ALIKE = text(
    """
    SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE lower(c.relname) = lower(:name) AND c.relkind IN ('r', 'p', 'v') ORDER BY 1
    """
)

_TABLES = text(
    """
    SELECT c.relname::text AS name,
        ARRAY(
            SELECT privilege FROM unnest('{SELECT,INSERT,UPDATE,DELETE}'::text[]) AS privilege
            WHERE has_table_privilege(c.oid, privilege)
        ) AS granted
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = :schema AND c.relkind IN ('r', 'p') AND NOT c.relispartition
    ORDER BY c.relname
    """
)

_TYPE = text(
    """
    WITH RECURSIVE base (type, modifier) AS (
        SELECT to_regtype(:name)::oid, -1
        UNION ALL
        SELECT typbasetype, typtypmod FROM base JOIN pg_type ON pg_type.oid = type WHERE typtype = 'd'
    )
    SELECT format_type(type, NULL) AS base, format_type(type, modifier) AS whole
    FROM base JOIN pg_type ON pg_type.oid = type AND typtype <> 'd'
    """
)

_LABELS = text("SELECT enumlabel::text FROM pg_enum WHERE enumtypid = to_regtype(:name) ORDER BY enumsortorder")
