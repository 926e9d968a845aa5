"""Migrations of databases with other names, newer tables, and large tables that drains are writing to."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from penstock.database import migrate
from penstock.local.postgres import Postgres
from tests.support.migrations import migrate_to

THINGS = """
from alembic import op

revision, down_revision, branch_labels, depends_on = "{name}", None, None, None


def upgrade() -> None:
    op.execute("CREATE TABLE ledger (id int)")
"""
ENTER = (
    "INSERT INTO penstock.ledger (id, kind, outcome, stated_at) VALUES (gen_random_uuid(), 'k', 'applied', now())"
)


def _migrations(folder: Path, name: str = "0001") -> Path:
    versions = folder / name / "versions"
    versions.mkdir(parents=True)
    (versions / "0001_things.py").write_text(THINGS.format(name=name))
    return versions.parent


@pytest.fixture(autouse=True)
def role_dropped(postgres: Postgres) -> Iterator[None]:
    """Drop the role after the database, whose objects it owns."""
    yield
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS penstock")


@pytest.mark.parametrize("schema_first", [False, True])
def test_a_role_named_like_the_schema_upgrades(empty_database: str, tmp_path: Path, schema_first: bool) -> None:
    """The framework's and the service's tables keep apart if the role and its schema are named penstock."""
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute("CREATE ROLE penstock SUPERUSER LOGIN PASSWORD 'secret'")
        if schema_first:
            connection.execute("CREATE SCHEMA penstock AUTHORIZATION penstock")
        user, _, rest = empty_database.removeprefix("postgresql://").partition("@")
        url = f"postgresql://penstock:secret@{rest}"
        assert user
        service = _migrations(tmp_path)
        assert migrate.upgrade(url, service)[-2:] == ["penstock 0010", "service 0001"]
        assert migrate.upgrade(url, service) == []
        found = connection.execute(
            "SELECT schemaname, tablename FROM pg_tables WHERE tablename IN ('ledger', 'alembic_version')"
            " ORDER BY 1, 2"
        ).fetchall()
    assert found == [(s, t) for s in ("penstock", "public") for t in ("alembic_version", "ledger")]


def test_old_code_says_that_the_database_is_newer(empty_database: str, tmp_path: Path) -> None:
    """A revision that the code does not know is named, with what to do, and nothing is changed."""
    migrate.upgrade(empty_database, _migrations(tmp_path, "0009"))
    with pytest.raises(migrate.UnknownRevision, match=r"service's tables are at revision 0009.* Deploy that code"):
        migrate.upgrade(empty_database, _migrations(tmp_path, "0001"))
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute("UPDATE penstock.alembic_version SET version_num = '9999'")
    with pytest.raises(
        migrate.UnknownRevision, match=r"Penstock's own tables .* are at revision 9999.* or a newer"
    ):
        migrate.upgrade(empty_database)


def test_an_index_of_a_large_ledger_does_not_block_drains(empty_database: str) -> None:
    """While an upgrade waits for a writer to build the indexes of a large ledger, other writers go on."""
    migrate.upgrade(empty_database)
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute("DROP INDEX penstock.ledger_unsettled, penstock.ledger_past_unsettled")
        connection.execute(
            f"{ENTER.replace('VALUES (', 'SELECT ').removesuffix(')')} FROM generate_series(1, 120000)"
        )
    upgrading = threading.Thread(target=migrate.upgrade, args=(empty_database,))
    with psycopg.connect(empty_database) as slow, psycopg.connect(empty_database, autocommit=True) as other:
        slow.execute(ENTER)
        upgrading.start()
        _wait_until(lambda: _waiting(other, "CREATE INDEX%"))
        other.execute("SET lock_timeout = '2s'")
        other.execute(ENTER)
        slow.commit()
        upgrading.join(60)
        valid = "SELECT relname, indisvalid FROM pg_index JOIN pg_class c ON c.oid = indexrelid"
        valid += " WHERE relname ~ 'unsettled'"
        assert dict(other.execute(valid).fetchall()) == {"ledger_unsettled": True, "ledger_past_unsettled": True}


def test_an_upgrade_that_waits_for_a_transaction_stops_no_drain(empty_database: str) -> None:
    """While a transaction keeps the upgrade from changing the ledger, other writers go on after two seconds."""
    migrate_to(empty_database, "0006")
    upgrading = threading.Thread(target=migrate.upgrade, args=(empty_database,))
    with psycopg.connect(empty_database) as slow, psycopg.connect(empty_database, autocommit=True) as other:
        slow.execute(ENTER)
        upgrading.start()
        _wait_until(lambda: _waiting(other, "LOCK TABLE%"))
        other.execute("SET lock_timeout = '10s'")
        other.execute(ENTER)
        slow.commit()
        upgrading.join(60)
        constraints = "SELECT count(*) FROM pg_constraint WHERE pg_get_constraintdef(oid) LIKE '%expired%'"
        assert other.execute(constraints).fetchone() == (4,)


def test_an_interrupted_index_is_built_again(empty_database: str) -> None:
    """An index that is invalid or missing is built by the next upgrade."""
    migrate.upgrade(empty_database)
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute(
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'penstock.ledger_unsettled'::regclass"
        )
        connection.execute("DROP INDEX penstock.ledger_settled_at")
        assert migrate.upgrade(empty_database) == []
        names = "('ledger_unsettled', 'ledger_settled_at')"
        query = f"SELECT indisvalid FROM pg_index JOIN pg_class c ON c.oid = indexrelid WHERE relname IN {names}"
        assert connection.execute(query).fetchall() == [(True,), (True,)]


def _waiting(connection: psycopg.Connection, statement: str) -> bool:
    query = "SELECT FROM pg_stat_activity WHERE query LIKE %s AND wait_event_type = 'Lock'"
    return connection.execute(query, [statement]).fetchone() is not None


def _wait_until(condition: Callable[[], bool]) -> None:
    ready = threading.Event()
    for _ in range(600):
        if condition():
            return
        ready.wait(0.05)
    raise AssertionError
