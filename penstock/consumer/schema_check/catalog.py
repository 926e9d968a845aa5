"""Tables in Postgres's catalogs, and the privileges that the connected role has on them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Table, text

from penstock.consumer.schema_check.hazards import Trigger, read_triggers
from penstock.consumer.schema_check.live_type import LiveType, parse_modifiers


@dataclass(frozen=True, slots=True)
class Server:
    """The server.

    Attributes:
        version: such as 180001 for 18.1.
        standby: whether it is a standby, which replicates another server.
        read_only: whether transactions are read only by default.
        unsafe: the settings with which what was committed can be lost: `synchronous_commit`, `fsync`,
            `full_page_writes`.
        encoding: the encoding of the database.
    """

    version: int
    standby: bool
    read_only: bool
    unsafe: Sequence[str] = ()
    encoding: str = "UTF8"


@dataclass(frozen=True, slots=True)
class LiveColumn:
    """A column of a table in the database.

    Attributes:
        name: its name.
        type: its type.
        not_null: whether the column, or the domain that is its type, is NOT NULL.
        domain: that domain, if the column itself is nullable.
        has_default: whether Postgres fills the column if an INSERT gives no value.
        generated: whether Postgres always generates the value, so that none can be given.
        privileges: the privileges of the role on the column: SELECT, INSERT, UPDATE.
        denied_sequence: the sequence that the default uses, if the role lacks the privilege to use it.
        collation: the name of its collation, if its type has one.
        nondeterministic: whether that collation calls different texts equal.
    """

    name: str
    type: LiveType
    not_null: bool
    domain: str | None
    has_default: bool
    generated: bool
    privileges: frozenset[str]
    denied_sequence: str | None
    collation: str | None
    nondeterministic: bool


@dataclass(frozen=True, slots=True)
class UniqueIndex:
    """A unique index, with or without a constraint.

    Attributes:
        name: its name.
        columns: its columns; None among them stands for an expression.
        partial: whether it covers only some rows.
        deferrable: whether its constraint is deferrable to the end of the transaction.
        valid: whether it is complete; an index whose build failed is not.
    """

    name: str
    columns: frozenset[str | None]
    partial: bool
    deferrable: bool
    valid: bool


@dataclass(frozen=True, slots=True)
class Relation:
    """A table, or another relation with the name of a table.

    Attributes:
        oid: its number in the catalogs.
        schema: its schema.
        name: its name.
        kind: the letter of pg_class.relkind: `r` a table, `p` a partitioned table, `v` a view.
        role: the current role.
        schema_usable: whether the role has USAGE on the schema.
        row_security: whether row level security applies to the role.
        commands: the commands that the relation accepts: INSERT, UPDATE, DELETE.
        privileges: the privileges of the role on the whole relation.
        columns: its columns by name.
        unique_indexes: its unique indexes.
        triggers: its row triggers that run before a write, or in place of it.
    """

    oid: int
    schema: str
    name: str
    kind: str
    role: str
    schema_usable: bool
    row_security: bool
    commands: frozenset[str]
    privileges: frozenset[str]
    columns: Mapping[str, LiveColumn]
    unique_indexes: tuple[UniqueIndex, ...]
    triggers: tuple[Trigger, ...]


def read_server(connection: Connection) -> Server:
    """Read the version and the state of the server."""
    return Server(**connection.execute(_SERVER).one()._asdict())


def read_relation(connection: Connection, table: Table) -> Relation | None:
    """Read a table from the catalogs.

    Returns:
        The table; None if it does not exist, or has no declared schema and is not on the search_path.
    """
    row = connection.execute(_RELATION, {"name": table.name, "schema": table.schema}).one_or_none()
    if row is None:
        return None
    oid = {"oid": row.oid}
    columns = [_column(found._asdict()) for found in connection.execute(_COLUMNS, oid)]
    unique_indexes = [_index(found._asdict()) for found in connection.execute(_UNIQUE_INDEXES, oid)]
    return Relation(
        oid=row.oid,
        schema=row.schema,
        name=table.name,
        kind=row.kind,
        role=row.role,
        schema_usable=row.schema_usable,
        row_security=row.row_security,
        commands=frozenset(row.commands),
        privileges=frozenset(row.privileges),
        columns={column.name: column for column in columns},
        unique_indexes=tuple(unique_indexes),
        triggers=read_triggers(connection, row.oid),
    )


def tables_like(connection: Connection, name: str) -> list[str]:
    """Return the tables of this name in any schema, ignoring case."""
    return list(connection.scalars(_TABLES_LIKE, {"name": name}))


def table_privileges(connection: Connection, schema: str) -> dict[str, frozenset[str]]:
    """Return the role's privileges on each table of a schema, by name, without partitions."""
    rows = connection.execute(_TABLE_PRIVILEGES, {"schema": schema})
    return {row.name: frozenset(row.privileges) for row in rows}


def _column(row: dict[str, Any]) -> LiveColumn:
    base, full = row.pop("base"), row.pop("full_type")
    type_ = LiveType(base, parse_modifiers(full), full)
    return LiveColumn(**row | {"type": type_, "privileges": frozenset(row["privileges"])})


def _index(row: dict[str, Any]) -> UniqueIndex:
    return UniqueIndex(**row | {"columns": frozenset(row["columns"])})


_SERVER = text(
    """
    SELECT pg_catalog.current_setting('server_version_num')::int AS version,
        pg_catalog.pg_is_in_recovery() AS standby,
        pg_catalog.current_setting('default_transaction_read_only')::boolean AS read_only,
        pg_catalog.getdatabaseencoding()::text AS encoding,
        ARRAY(
            SELECT name FROM pg_catalog.unnest('{synchronous_commit,fsync,full_page_writes}'::text[]) AS name
            WHERE pg_catalog.current_setting(name) = 'off'
        ) AS unsafe
    """
)

# The bits of pg_relation_is_updatable: 1 << CMD_UPDATE (2), CMD_INSERT (3), CMD_DELETE (4).
_RELATION = text(
    """
    SELECT c.oid, n.nspname::text AS schema, c.relkind::text AS kind, current_user::text AS role,
        pg_catalog.has_schema_privilege(n.oid, 'USAGE') AS schema_usable,
        pg_catalog.row_security_active(c.oid) AS row_security,
        ARRAY(
            SELECT command FROM (VALUES (2, 'UPDATE'), (3, 'INSERT'), (4, 'DELETE')) AS commands (bit, command)
            WHERE CASE c.relkind WHEN 'v' THEN pg_catalog.pg_relation_is_updatable(c.oid, true) ELSE -1 END
                & (1 << bit) <> 0
        ) AS commands,
        ARRAY(
            SELECT privilege FROM pg_catalog.unnest('{SELECT,INSERT,UPDATE,DELETE}'::text[]) AS privilege
            WHERE pg_catalog.has_table_privilege(c.oid, privilege)
        ) AS privileges
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relname = :name
        AND CASE WHEN CAST(:schema AS text) IS NULL THEN pg_catalog.pg_table_is_visible(c.oid)
            ELSE n.nspname = :schema END
    """
)

_COLUMNS = text(
    """
    WITH RECURSIVE base (number, type, modifier, not_null, has_default) AS (
        SELECT attnum, atttypid, atttypmod, attnotnull, atthasdef OR attidentity <> '' FROM pg_catalog.pg_attribute
        WHERE attrelid = :oid AND attnum > 0 AND NOT attisdropped
        UNION ALL
        SELECT number, typbasetype, typtypmod, not_null OR typnotnull, has_default OR typdefault IS NOT NULL
        FROM base JOIN pg_catalog.pg_type ON pg_type.oid = type WHERE typtype = 'd'
    )
    SELECT attname::text AS name, pg_catalog.format_type(type, NULL) AS base,
        pg_catalog.format_type(type, modifier) AS full_type, not_null,
        CASE WHEN not_null AND NOT attnotnull THEN pg_catalog.format_type(atttypid, NULL) END AS domain,
        has_default, attgenerated <> '' OR attidentity = 'a' AS generated,
        ARRAY(
            SELECT privilege FROM pg_catalog.unnest('{SELECT,INSERT,UPDATE}'::text[]) AS privilege
            WHERE pg_catalog.has_column_privilege(attrelid, attnum, privilege)
        ) AS privileges,
        (
            SELECT refobjid::pg_catalog.regclass::text
            FROM pg_catalog.pg_attrdef d
            JOIN pg_catalog.pg_depend ON classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass AND objid = d.oid
            JOIN pg_catalog.pg_class s
                ON refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND s.oid = refobjid
            WHERE adrelid = attrelid AND adnum = attnum
                AND CASE s.relkind WHEN 'S' THEN NOT pg_catalog.has_sequence_privilege(s.oid, 'USAGE, UPDATE') END
            LIMIT 1
        ) AS denied_sequence,
        collname::text AS collation, NOT coalesce(collisdeterministic, true) AS nondeterministic
    FROM base JOIN pg_catalog.pg_type ON pg_type.oid = type AND typtype <> 'd'
    JOIN pg_catalog.pg_attribute ON attrelid = :oid AND attnum = number
    LEFT JOIN pg_catalog.pg_collation ON pg_collation.oid = attcollation
    ORDER BY attnum
    """
)

_UNIQUE_INDEXES = text(
    """
    SELECT c.relname::text AS name, indpred IS NOT NULL AS partial, NOT indimmediate AS deferrable,
        indisvalid AND indisready AS valid,
        ARRAY(
            SELECT attname::text FROM pg_catalog.unnest(indkey::int2[]) WITH ORDINALITY AS keys (number, place)
            LEFT JOIN pg_catalog.pg_attribute ON attrelid = indrelid AND attnum = number AND number <> 0
            WHERE place <= indnkeyatts
        ) AS columns
    FROM pg_catalog.pg_index JOIN pg_catalog.pg_class c ON c.oid = indexrelid
    WHERE indrelid = :oid AND indisunique
    ORDER BY c.relname
    """
)

_TABLES_LIKE = text(
    """
    SELECT n.nspname || '.' || c.relname
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE pg_catalog.lower(c.relname) = pg_catalog.lower(:name) AND c.relkind IN ('r', 'p', 'v') ORDER BY 1
    """
)

_TABLE_PRIVILEGES = text(
    """
    SELECT c.relname::text AS name,
        ARRAY(
            SELECT privilege FROM pg_catalog.unnest('{SELECT,INSERT,UPDATE,DELETE}'::text[]) AS privilege
            WHERE pg_catalog.has_table_privilege(c.oid, privilege)
        ) AS privileges
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = :schema AND c.relkind IN ('r', 'p') AND NOT c.relispartition
    ORDER BY c.relname
    """
)
