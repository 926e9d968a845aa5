"""What the hints need from Postgres's catalogs: foreign keys, indexes, columns, triggers, sequences.

Nothing here locks a table or reads its rows.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Table, text


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """A foreign key whose columns are not the first ones of an index.

    Attributes:
        name: the name of the constraint.
        table: the table that has it, as it is written in SQL.
        columns: its columns, as they are written in SQL.
        parent: the table that it refers to, as it is written in SQL.
        parent_columns: the columns that it refers to, by their names.
    """

    name: str
    table: str
    columns: Sequence[str]
    parent: str
    parent_columns: frozenset[str]


@dataclass(frozen=True, slots=True)
class FiringTrigger:
    """A trigger of a table that a kind writes.

    Attributes:
        name: its name.
        table: the table that has it.
        function: its function.
        language: the language of the function.
        trusted: whether the function cannot act outside of the database: its language is trusted, or it is
            Postgres's own.
    """

    name: str
    table: str
    function: str
    language: str
    trusted: bool


@dataclass(frozen=True, slots=True)
class TableFacts:
    """What the planner knows of a table.

    Attributes:
        name: its name, as it is written in SQL.
        analyzed: whether it has statistics.
        columns: its columns, by name, as they are written in SQL.
        leading: the first column of each index, by name.
    """

    name: str
    analyzed: bool
    columns: dict[str, str]
    leading: frozenset[str]


def find_oid(connection: Connection, table: Table) -> int | None:
    """Return the number of a table in the catalogs; None if it does not exist."""
    quoted = connection.dialect.identifier_preparer.format_table(table)
    return _regclass(connection, quoted)


def read_facts(connection: Connection, schema: str, name: str) -> TableFacts | None:
    """Read what the planner knows of a table; None if it does not exist any more."""
    preparer = connection.dialect.identifier_preparer
    oid = _regclass(connection, f"{preparer.quote_identifier(schema)}.{preparer.quote_identifier(name)}")
    if oid is None:
        return None
    row = connection.execute(_FACTS, {"oid": oid}).one()
    columns = {column.name: column.quoted for column in connection.execute(_COLUMNS, {"oid": oid})}
    return TableFacts(row.name, row.analyzed, columns, frozenset(row.leading))


def foreign_keys_to(connection: Connection, oid: int) -> list[ForeignKey]:
    """Return the foreign keys that refer to a table and have no index."""
    return _foreign_keys(connection, "confrelid", oid)


def foreign_keys_of(connection: Connection, oid: int) -> list[ForeignKey]:
    """Return the foreign keys of a table that have no index."""
    return _foreign_keys(connection, "conrelid", oid)


def read_triggers(connection: Connection, oid: int, commands: Collection[str]) -> list[FiringTrigger]:
    """Return the triggers of a table and its partitions that fire for some commands, such as INSERT."""
    rows = connection.execute(_TRIGGERS, {"oid": oid, "commands": [*commands]})
    return [FiringTrigger(*row) for row in rows]


def read_sequences(connection: Connection, oid: int, given: Collection[str]) -> list[str]:
    """Return the sequences that give a table's columns their values, without the columns that get another one."""
    return list(connection.scalars(_SEQUENCES, {"oid": oid, "given": [*given]}))


def read_deferred(connection: Connection, oid: int) -> list[str]:
    """Return the constraints and the triggers of a table that run at COMMIT."""
    return list(connection.scalars(_DEFERRED, {"oid": oid}))


def _regclass(connection: Connection, quoted: str) -> int | None:
    found: int | None = connection.scalar(
        text("SELECT CAST(pg_catalog.to_regclass(:name) AS oid)"), {"name": quoted}
    )
    return found


def _foreign_keys(connection: Connection, side: str, oid: int) -> list[ForeignKey]:
    rows = connection.execute(text(_FOREIGN_KEYS.format(side=side)), {"oid": oid})
    return [
        ForeignKey(row.name, row.table, row.columns, row.parent, frozenset(row.parent_columns)) for row in rows
    ]


# A partition has copies of the constraints of its parent. An index covers a foreign key if its first columns are
# those of the key, in any order. Each partition needs one.
_FOREIGN_KEYS = """
SELECT c.conname::text AS name, c.conrelid::regclass::text AS table,
    c.confrelid::regclass::text AS parent,
    ARRAY(
        SELECT pg_catalog.quote_ident(attname)
        FROM pg_catalog.unnest(c.conkey) WITH ORDINALITY AS keys (number, place)
        JOIN pg_catalog.pg_attribute ON attrelid = c.conrelid AND attnum = number ORDER BY place
    ) AS columns,
    ARRAY(
        SELECT attname::text FROM pg_catalog.pg_attribute
        WHERE attrelid = c.confrelid AND attnum = ANY (c.confkey)
    ) AS parent_columns
FROM pg_catalog.pg_constraint c
WHERE c.contype = 'f' AND c.conparentid = 0 AND c.{side} = :oid AND EXISTS (
    SELECT FROM (
        SELECT c.conrelid AS relid WHERE NOT EXISTS (
            SELECT FROM pg_catalog.pg_partition_tree(c.conrelid::regclass) WHERE isleaf AND level > 0
        )
        UNION ALL SELECT relid FROM pg_catalog.pg_partition_tree(c.conrelid::regclass) WHERE isleaf AND level > 0
    ) AS parts
    WHERE NOT EXISTS (
        SELECT FROM pg_catalog.pg_index i
        WHERE i.indrelid = parts.relid AND i.indisvalid AND i.indpred IS NULL
            AND i.indnkeyatts >= pg_catalog.cardinality(c.conkey)
            AND ARRAY(
                SELECT attname FROM pg_catalog.pg_attribute
                WHERE attrelid = i.indrelid
                    AND attnum = ANY ((i.indkey::int2[])[0:pg_catalog.cardinality(c.conkey) - 1])
                ORDER BY attname
            ) = ARRAY(
                SELECT attname FROM pg_catalog.pg_attribute
                WHERE attrelid = c.conrelid AND attnum = ANY (c.conkey) ORDER BY attname
            )
    )
)
ORDER BY c.conname
"""

# Bits of pg_trigger.tgtype: INSERT 4, DELETE 8, UPDATE 16. A partition has copies of its parent's row triggers.
_TRIGGERS = text(
    """
    SELECT t.tgname::text, t.tgrelid::regclass::text, p.oid::regproc::text, l.lanname::text, l.lanpltrusted OR
        l.lanname = 'internal'
    FROM (
        SELECT CAST(:oid AS oid) AS oid
        UNION SELECT relid FROM pg_catalog.pg_partition_tree(CAST(CAST(:oid AS oid) AS regclass))
    ) AS tree
    JOIN pg_catalog.pg_trigger t ON t.tgrelid = tree.oid
    JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
    JOIN pg_catalog.pg_language l ON l.oid = p.prolang
    WHERE NOT t.tgisinternal AND t.tgparentid = 0 AND t.tgenabled IN ('O', 'A') AND EXISTS (
        SELECT FROM (VALUES ('INSERT', 4), ('DELETE', 8), ('UPDATE', 16)) AS bits (command, bit)
        WHERE t.tgtype & bit <> 0 AND command = ANY (CAST(:commands AS text[]))
    )
    ORDER BY t.tgname, 2
    """
)

# A constraint has internal triggers, on both tables of a foreign key.
_DEFERRED = text(
    """
    SELECT DISTINCT coalesce(c.conname, t.tgname)::text FROM pg_catalog.pg_trigger t
    LEFT JOIN pg_catalog.pg_constraint c ON c.oid = t.tgconstraint
    WHERE t.tgrelid = :oid AND t.tginitdeferred AND t.tgenabled <> 'D' ORDER BY 1
    """
)

# The sequence of a default depends on the default; that of an identity column belongs to the column.
_SEQUENCES = text(
    """
    SELECT DISTINCT s.oid::regclass::text FROM pg_catalog.pg_attribute a
    LEFT JOIN pg_catalog.pg_attrdef f ON f.adrelid = a.attrelid AND f.adnum = a.attnum
    JOIN pg_catalog.pg_depend d
        ON (d.classid = 'pg_catalog.pg_attrdef'::regclass AND d.objid = f.oid)
        OR (a.attidentity <> '' AND d.deptype = 'i' AND d.classid = 'pg_catalog.pg_class'::regclass
            AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = a.attrelid
            AND d.refobjsubid = a.attnum)
    JOIN pg_catalog.pg_class s ON s.relkind = 'S' AND s.oid IN (d.objid, d.refobjid)
    WHERE a.attrelid = :oid AND a.attnum > 0 AND NOT a.attisdropped
        AND a.attname <> ALL (CAST(:given AS text[]))
    ORDER BY 1
    """
)

_FACTS = text(
    """
    SELECT CAST(:oid AS oid)::regclass::text AS name, c.reltuples >= 0 AS analyzed,
        ARRAY(
            SELECT attname::text FROM pg_catalog.pg_index
            JOIN pg_catalog.pg_attribute ON attrelid = indrelid AND attnum = indkey[0]
            WHERE indrelid = :oid AND indisvalid
        ) AS leading
    FROM pg_catalog.pg_class c WHERE c.oid = :oid
    """
)

_COLUMNS = text(
    """
    SELECT attname::text AS name, pg_catalog.quote_ident(attname) AS quoted FROM pg_catalog.pg_attribute
    WHERE attrelid = :oid AND attnum > 0 AND NOT attisdropped ORDER BY attnum
    """
)
