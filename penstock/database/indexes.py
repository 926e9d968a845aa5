"""The indexes of the framework's tables. On a table that has grown, they are built while drains write.

CREATE INDEX blocks every writer of its table until the index is complete. CREATE INDEX CONCURRENTLY does not, but
it cannot run in a transaction, and leaves an invalid index behind if it is interrupted (PostgreSQL documentation,
"Building Indexes Concurrently"). So a migration builds an index of a small table only. After the migrations, every
index that is missing or invalid is built concurrently.
"""

from dataclasses import dataclass

from psycopg.errors import DeadlockDetected, DuplicateTable, UniqueViolation
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from penstock.database.ledger import SCHEMA

_SMALL_BYTES = 8 * 1024 * 1024
"""An index on that much is built in about a tenth of a second."""


_IN_THE_WAY = (DeadlockDetected, DuplicateTable, UniqueViolation)


@dataclass(frozen=True, slots=True)
class Index:
    """An index.

    Attributes:
        name: its name.
        table: its table.
        definition: the rest of its definition in SQL.
    """

    name: str
    table: str
    definition: str


# Entries of the ledger are inserted in the order of `settled_at`, which a block range index requires.
_BY_TIME = "USING brin (settled_at) WITH (pages_per_range = 32, autosummarize = on)"
_UNSETTLED = "(settled_at) WHERE outcome IN ('dead', 'pending')"
INDEXES = (
    Index("tombstone_buried_at", "tombstone", "(buried_at)"),
    Index("ledger_settled_at", "ledger", _BY_TIME),
    Index("ledger_past_settled_at", "ledger_past", _BY_TIME),
    Index("ledger_unsettled", "ledger", _UNSETTLED),
    Index("ledger_past_unsettled", "ledger_past", _UNSETTLED),
)


def create_if_small(connection: Connection, suffix: str) -> None:
    """Create the indexes whose names end with a suffix, each if its table is small. Migrations call this."""
    for index in INDEXES:
        if index.name.endswith(suffix) and connection.execute(_SMALL, _place(index)).scalar_one():
            connection.exec_driver_sql(_create(index))


def build_missing(engine: Engine) -> list[str]:
    """Build every index that is missing or invalid, without blocking drains; return their names.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the database refused a statement. Running it again goes on from there.
    """
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        return [index.name for index in INDEXES if _build(connection, index)]


def _build(connection: Connection, index: Index) -> bool:
    """Build an index if it is missing or invalid, and again if another run of this was in the way."""
    for tries_left in (2, 1, 0):
        valid = connection.execute(_VALID, _place(index)).scalar_one_or_none()
        if valid:
            return False
        try:
            if valid is False:
                connection.exec_driver_sql(f"DROP INDEX CONCURRENTLY IF EXISTS {SCHEMA}.{index.name}")
            connection.exec_driver_sql(_create(index, "CONCURRENTLY IF NOT EXISTS"))
        except DBAPIError as error:
            if not (tries_left and isinstance(error.orig, _IN_THE_WAY)):
                raise
        else:
            return True
    return False


def _create(index: Index, how: str = "") -> str:
    return f"CREATE INDEX {how} {index.name} ON {SCHEMA}.{index.table} {index.definition}"


def _place(index: Index) -> dict[str, str]:
    return {"name": f"{SCHEMA}.{index.name}", "table": f"{SCHEMA}.{index.table}"}


_SMALL = text(
    f"SELECT pg_catalog.pg_relation_size(CAST(CAST(:table AS text) AS pg_catalog.regclass)) <= {_SMALL_BYTES}"
)
_VALID = text(
    "SELECT indisvalid FROM pg_catalog.pg_index WHERE indexrelid = pg_catalog.to_regclass(CAST(:name AS text))"
)
