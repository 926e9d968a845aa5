"""The Postgres server of the benchmarks: embedded, in a temporary folder, with the shop's tables."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from benchmarks.drain.events import page_views_event
from benchmarks.drain.shop import bind_shop
from penstock.consumer import Drain
from penstock.database import make_engine
from penstock.database.migrate import upgrade
from penstock.local.postgres import Postgres
from penstock.testing import LambdaContext, MemoryQueue
from penstock.testing.database import FAST

LEDGERS = ("penstock.ledger", "penstock.ledger_past")
"""Both generations of the ledger: the drain looks ids up in both."""

_MIGRATIONS = Path(__file__).parents[2] / "infra" / "migrations"
_TIME_ORDERED_ID = (
    "lpad(to_hex(1700000000000 + n), 12, '0') || '7' || left(md5(n::text), 3) || '8' || right(md5(n::text), 15)"
)
_REPORTED_SETTINGS = (
    "server_version",
    "fsync",
    "synchronous_commit",
    "full_page_writes",
    "shared_buffers",
    "autovacuum",
)


class Database:
    """A database with the ledger and the shop's tables, and a connection for work that is not timed."""

    def __init__(self, server: Postgres, name: str) -> None:
        with psycopg.connect(server.url(), autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        self.url = server.url(name)
        upgrade(self.url, _MIGRATIONS)
        self.connection = psycopg.connect(self.url, autocommit=True)

    def settings(self) -> dict[str, str]:
        """Return the settings of Postgres that the figures depend on."""
        query = "SELECT name, setting FROM pg_settings WHERE name = ANY(%s)"
        found: dict[str, str] = dict(self.connection.execute(query, [list(_REPORTED_SETTINGS)]).fetchall())
        return {name: found[name] for name in _REPORTED_SETTINGS}

    def empty(self, *tables: str) -> None:
        """Truncate tables, so that each round starts from the same state."""
        self.connection.execute(f"TRUNCATE {', '.join(tables)}")

    def count(self, table: str) -> int:
        """Count the rows of a table."""
        return self._number(f"SELECT count(*) FROM {table}")

    def newest_backend(self) -> int:
        """Return the process id of the client of this database that connected last."""
        query = """
            SELECT pid FROM pg_stat_activity
            WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
            ORDER BY backend_start DESC LIMIT 1
            """
        return self._number(query)

    def wal_bytes(self) -> int:
        """Return how many bytes of WAL the server has written, of all databases."""
        return self._number("SELECT pg_current_wal_insert_lsn() - '0/0'")

    @contextmanager
    def changed_settings(self, **settings: str) -> Iterator[None]:
        """Change settings of the server that need no restart, for the block."""
        for name, value in settings.items():
            self.connection.execute(sql.SQL("ALTER SYSTEM SET {} = {}").format(sql.Identifier(name), value))
        self._reload()
        try:
            yield
        finally:
            for name in settings:
                self.connection.execute(sql.SQL("ALTER SYSTEM RESET {}").format(sql.Identifier(name)))
            self._reload()

    def _number(self, query: str) -> int:
        row = self.connection.execute(query.encode()).fetchone()
        assert row is not None
        return int(row[0])

    def _reload(self) -> None:
        """Let the server read its settings. The checkpointer does so before the checkpoint, and begins anew."""
        self.connection.execute("SELECT pg_reload_conf()")
        self.connection.execute("CHECKPOINT")

    def fill_ledger(self, rows: int) -> None:
        """Insert `rows` entries, half with ids ordered by time (version 7), half with derived ones.

        All are copies of the entry of one drained intent, so this works with any columns of the ledger. The older
        half is in the previous generation of the ledger.
        """
        self._drain_one()
        names = self._ledger_columns()
        values = ", ".join("fresh.id" if name == "id" else f"entry.{name}" for name in names)
        newest, past = LEDGERS
        for generation, first, last in ((past, 1, rows // 2), (newest, rows // 2 + 1, rows)):
            self.connection.execute(
                f"""
                INSERT INTO {generation} ({", ".join(names)})
                SELECT {values}
                FROM (SELECT * FROM penstock.ledger LIMIT 1) AS entry,
                     (SELECT CASE WHEN n % 2 = 0 THEN md5(n::text)::uuid ELSE ({_TIME_ORDERED_ID})::uuid END AS id
                      FROM generate_series({first:d}, {last:d}) AS n ORDER BY 1) AS fresh
                """
            )
        self.connection.execute(f"VACUUM ANALYZE {', '.join(LEDGERS)}")
        self.connection.execute("CHECKPOINT")

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()

    def _drain_one(self) -> None:
        engine = make_engine(self.url)
        drain = Drain(engine=engine, queue=MemoryQueue(), dead_letters=MemoryQueue())
        bind_shop(drain)
        drain.handler(page_views_event(1), LambdaContext())
        engine.dispose()

    def _ledger_columns(self) -> list[str]:
        rows: list[tuple[Any, ...]] = self.connection.execute(
            """
            SELECT quote_ident(attname) FROM pg_attribute
            WHERE attrelid = 'penstock.ledger'::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
            ORDER BY attnum
            """
        ).fetchall()
        return [name for (name,) in rows]


@contextmanager
def server(*, durable: bool) -> Iterator[Postgres]:
    """Run a separate Postgres server.

    Args:
        durable: whether each commit waits for the disk, as in production.
    """
    folder = Path(tempfile.mkdtemp(prefix="penstock-bench-"))
    settings = {} if durable else FAST
    postgres = Postgres(folder, settings=settings)
    postgres.start()
    try:
        yield postgres
    finally:
        postgres.stop()
        shutil.rmtree(folder, ignore_errors=True)
