"""What a live table does with rows besides storing them, read from Postgres's catalogs."""

from dataclasses import dataclass

from sqlalchemy import Connection, TextClause, text


@dataclass(frozen=True, slots=True)
class Trigger:
    """A row trigger that runs before a row is written, or in place of that.

    Attributes:
        name: its name.
        table: the table or the partition that has it.
        instead: whether it runs in place of the write, on a view.
        commands: the commands that it runs for: INSERT, UPDATE, DELETE.
    """

    name: str
    table: str
    instead: bool
    commands: frozenset[str]


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule, which rewrites a statement.

    Attributes:
        name: its name.
        command: the command that it rewrites: INSERT, UPDATE or DELETE.
    """

    name: str
    command: str


@dataclass(frozen=True, slots=True)
class Storage:
    """A table, or a partition, whose rows do not survive a crash or are not stored in this database.

    Attributes:
        name: its name.
        unlogged: whether a crash empties it.
        foreign: whether another server stores it.
    """

    name: str
    unlogged: bool
    foreign: bool


@dataclass(frozen=True, slots=True)
class Published:
    """A table, or a partition, that is published and has no replica identity.

    Attributes:
        name: its name.
        updates: whether its updates are published.
        deletes: whether its deletions are published.
    """

    name: str
    updates: bool
    deletes: bool


def read_triggers(connection: Connection, oid: int) -> tuple[Trigger, ...]:
    """Read the row triggers of a table and its partitions that run before a write, or in place of it."""
    rows = connection.execute(_TRIGGERS, {"oid": oid})
    return tuple(Trigger(row.name, row.table, row.instead, frozenset(row.commands)) for row in rows)


def read_rules(connection: Connection, oid: int) -> list[Rule]:
    """Read the rules of a table or a view that rewrite writes."""
    return [Rule(*row) for row in connection.execute(_RULES, {"oid": oid})]


def read_storage(connection: Connection, oid: int) -> list[Storage]:
    """Read which parts of a table are unlogged or foreign."""
    return [Storage(*row) for row in connection.execute(_STORAGE, {"oid": oid})]


def read_published(connection: Connection, oid: int) -> list[Published]:
    """Read which parts of a table are published and have no replica identity."""
    return [Published(*row) for row in connection.execute(_PUBLISHED, {"oid": oid})]


def schemas_of_others(connection: Connection) -> dict[str, list[str]]:
    """Return the schemas on the search_path in which other roles may create objects, and these roles."""
    return {row.schema: row.roles for row in connection.execute(_SCHEMAS_OF_OTHERS)}


_TREE = """
    WITH tree AS (
        SELECT CAST(:oid AS oid) AS oid
        UNION SELECT relid FROM pg_catalog.pg_partition_tree(CAST(CAST(:oid AS oid) AS pg_catalog.regclass))
    )
"""


def _of_tree(query: str) -> TextClause:
    """Return a query on `tree`: a table and its partitions."""
    return text(_TREE + query)


# The bits of pg_trigger.tgtype: ROW 1, BEFORE 2, INSERT 4, DELETE 8, UPDATE 16, INSTEAD OF 64. A partition has
# copies of its parent's triggers.
_TRIGGERS = _of_tree(
    """
    SELECT tgname::text AS name, CAST(tgrelid AS pg_catalog.regclass)::text AS table, tgtype & 64 <> 0 AS instead,
        ARRAY(
            SELECT command FROM (VALUES (4, 'INSERT'), (8, 'DELETE'), (16, 'UPDATE')) AS commands (bit, command)
            WHERE tgtype & bit <> 0
        ) AS commands
    FROM tree JOIN pg_catalog.pg_trigger ON tgrelid = tree.oid
    WHERE NOT tgisinternal AND tgparentid = 0 AND tgenabled IN ('O', 'A') AND tgtype & 1 <> 0 AND tgtype & 66 <> 0
    ORDER BY tgname, 2
    """
)

_RULES = text(
    """
    SELECT rulename::text, CASE ev_type WHEN '2' THEN 'UPDATE' WHEN '3' THEN 'INSERT' ELSE 'DELETE' END
    FROM pg_catalog.pg_rewrite
    WHERE ev_class = :oid AND ev_type IN ('2', '3', '4') AND ev_enabled IN ('O', 'A')
    ORDER BY rulename
    """
)

_STORAGE = _of_tree(
    """
    SELECT CAST(c.oid AS pg_catalog.regclass)::text, relpersistence = 'u', relkind = 'f'
    FROM tree JOIN pg_catalog.pg_class c ON c.oid = tree.oid
    WHERE relkind IN ('r', 'f') AND (relpersistence = 'u' OR relkind = 'f')
    ORDER BY 1
    """
)

_PUBLISHED = _of_tree(
    """
    SELECT CAST(c.oid AS pg_catalog.regclass)::text,
        pg_catalog.bool_or(p.pubupdate), pg_catalog.bool_or(p.pubdelete)
    FROM tree JOIN pg_catalog.pg_class c ON c.oid = tree.oid
    CROSS JOIN LATERAL (
        SELECT c.oid UNION SELECT relid FROM pg_catalog.pg_partition_ancestors(CAST(c.oid AS pg_catalog.regclass))
    ) AS above (oid)
    JOIN pg_catalog.pg_class named ON named.oid = above.oid
    JOIN pg_catalog.pg_namespace n ON n.oid = named.relnamespace
    JOIN pg_catalog.pg_publication_tables t ON t.schemaname = n.nspname AND t.tablename = named.relname
    JOIN pg_catalog.pg_publication p ON p.pubname = t.pubname
    WHERE c.relkind = 'r' AND c.relreplident <> 'f' AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_index
        WHERE indrelid = c.oid AND indisvalid AND indimmediate
            AND CASE c.relreplident WHEN 'd' THEN indisprimary WHEN 'i' THEN indisreplident END
    )
    GROUP BY c.oid ORDER BY 1
    """
)

_SCHEMAS_OF_OTHERS = text(
    """
    SELECT nspname::text AS schema, pg_catalog.array_agg(coalesce(r.rolname::text, 'PUBLIC') ORDER BY 1) AS roles
    FROM pg_catalog.pg_namespace n
    CROSS JOIN pg_catalog.aclexplode(coalesce(nspacl, pg_catalog.acldefault('n', nspowner))) AS granted
    LEFT JOIN pg_catalog.pg_roles r ON r.oid = granted.grantee
    WHERE nspname = ANY (pg_catalog.current_schemas(true)) AND granted.privilege_type = 'CREATE'
        AND granted.grantee <> nspowner AND coalesce(r.rolname NOT IN (current_user, 'pg_database_owner'), true)
        AND NOT coalesce(r.rolsuper, false)
    GROUP BY nspname ORDER BY nspname
    """
)
