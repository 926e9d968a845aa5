"""A service's migrations in plain SQL."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy.exc import OperationalError

from penstock.database.migrate import upgrade
from penstock.database.sql_migrations import MigrationRefused
from penstock.local.processes import wait_until
from tests.support.pgbouncer import pgbouncer

THINGS = "CREATE TABLE things (id int, share text DEFAULT '100%');\nINSERT INTO things VALUES (1);\n"
INDEX = "-- penstock: no transaction\nCREATE INDEX CONCURRENTLY things_id ON things (id)\n"

WAITING = "query FROM pg_stat_activity WHERE query LIKE '%CONCURRENTLY things_id%' AND wait_event_type = 'Lock'"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with two migrations."""
    (tmp_path / "0001_things.sql").write_text(THINGS)
    (tmp_path / "0002_index-of-things.sql").write_text(INDEX)
    return tmp_path


def run(url: str, folder: Path) -> list[str]:
    """Apply the migrations; return the service's."""
    return [name.removeprefix("service ") for name in upgrade(url, folder) if name.startswith("service ")]


def ask(url: str, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(query)
        return cursor.fetchall() if cursor.description else []


def refused(url: str, folder: Path, match: str) -> None:
    with pytest.raises(MigrationRefused, match=match):
        upgrade(url, folder)


def test_each_file_is_applied_once(empty_database: str, folder: Path) -> None:
    """Files are applied in the order of their numbers, as they are, once; a new one alone later."""
    assert run(empty_database, folder) == ["0001_things", "0002_index-of-things"]
    assert run(empty_database, folder) == []
    (folder / "0003_more.sql").write_text("INSERT INTO things VALUES (2)")
    assert run(empty_database, folder) == ["0003_more"]
    assert ask(empty_database, "SELECT * FROM things ORDER BY id") == [(1, "100%"), (2, "100%")]
    assert ask(empty_database, "SELECT indisvalid FROM pg_index WHERE indexrelid = 'things_id'::regclass") == [
        (True,)
    ]
    assert ask(empty_database, "SELECT name FROM sql_migrations WHERE applied_at <= now() ORDER BY name") == [
        ("0001_things",),
        ("0002_index-of-things",),
        ("0003_more",),
    ]


def test_two_runs_at_once(empty_database: str, folder: Path) -> None:
    """Behind PgBouncer in transaction mode, two runs apply each file in a transaction once, and both succeed."""
    (folder / "0002_index-of-things.sql").write_text("INSERT INTO things VALUES (2)")
    with pgbouncer(empty_database) as pooled, ThreadPoolExecutor(2) as threads:
        applied = [*threads.map(lambda _: run(pooled, folder), range(2))]
    assert sorted(name for one in applied for name in one) == ["0001_things", "0002_index-of-things"]
    assert ask(empty_database, "SELECT id FROM things ORDER BY id") == [(1,), (2,)]


@contextmanager
def waiting_statement(url: str, folder: Path) -> Iterator[Future[list[str]]]:
    """Start a run whose statement outside of a transaction waits for a lock until the end of the block."""
    (folder / "0002_index-of-things.sql").unlink()
    run(url, folder)
    (folder / "0002_index-of-things.sql").write_text(INDEX)
    with ThreadPoolExecutor(1) as threads, psycopg.connect(url) as blocker:
        # A concurrent index waits for every transaction that has written to the table.
        blocker.execute("INSERT INTO things VALUES (3)")
        running = threads.submit(run, url, folder)
        assert wait_until(lambda: bool(ask(url, f"SELECT {WAITING}")), 30)
        yield running


def test_a_statement_outside_of_a_transaction_runs_in_one_run(empty_database: str, folder: Path) -> None:
    """While a run executes it, another one stops and says so; afterwards there is nothing to do."""
    with waiting_statement(empty_database, folder) as running:
        refused(empty_database, folder, r"0002_index-of-things\.sql is being applied by another run")
    assert running.result() == ["0002_index-of-things"]
    assert run(empty_database, folder) == []


def test_an_interrupted_statement(empty_database: str, folder: Path) -> None:
    """A lost connection leaves a statement that may still run: the next run says what to do, and that helps."""
    with waiting_statement(empty_database, folder) as running:
        ask(empty_database, f"SELECT pg_terminate_backend(pid), {WAITING}")
        with pytest.raises(OperationalError):
            running.result(30)
    refused(empty_database, folder, r"or one was interrupted.* delete its row from the table sql_migrations")
    ask(empty_database, "DROP INDEX things_id")
    ask(empty_database, "DELETE FROM sql_migrations WHERE applied_at IS NULL")
    assert run(empty_database, folder) == ["0002_index-of-things"]


def test_a_failed_file(empty_database: str, folder: Path) -> None:
    """Nothing of a file that Postgres refuses is applied; the file is named, and applied after a correction."""
    (folder / "0003_bad.sql").write_text("CREATE TABLE more (id int);\nSELECT nothing_of_that_name();")
    refused(empty_database, folder, r"0003_bad\.sql failed and was rolled back: function nothing_of")
    assert ask(empty_database, "SELECT to_regclass('more')") == [(None,)]
    (folder / "0003_bad.sql").write_text("-- penstock: no transaction\nVACUUM nothing_of_that_name")
    refused(empty_database, folder, r"0003_bad\.sql failed: .*does not exist")
    (folder / "0003_bad.sql").write_text("CREATE TABLE more (id int)")
    assert run(empty_database, folder) == ["0003_bad"]


@pytest.mark.parametrize(
    ("name", "sql", "problem"),
    [
        ("0001_things.sql", THINGS + "--", r"0001_things\.sql has changed since it was applied: restore it"),
        ("0000_early.sql", "SELECT 1", r"0000_early\.sql is before 0002_index-of-things, which is applied"),
        ("0002_twin.sql", "SELECT 1", r"0002_twin\.sql and 0002_index-of-things\.sql have one number"),
        ("3_three.sql", "SELECT 1", r"3_three\.sql has no name like 0001_create_orders\.sql"),
        ("versions/0001.py", "", "migrations in SQL and of Alembic"),
        ("0003_commits.sql", "CREATE TABLE a (); COMMIT;", r"0003_commits\.sql ends its transaction"),
    ],
)
def test_a_refusal(empty_database: str, folder: Path, name: str, sql: str, problem: str) -> None:
    """What cannot be right is refused, and nothing else is applied."""
    run(empty_database, folder)
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text(sql)
    (folder / "0009_last.sql").write_text("CREATE TABLE last (id int)")
    refused(empty_database, folder, problem)
    assert ask(empty_database, "SELECT to_regclass('last')") == [(None,)]


def test_newer_code_has_been_there(empty_database: str, folder: Path) -> None:
    """A database with a migration that has no file is left alone."""
    run(empty_database, folder)
    (folder / "0002_index-of-things.sql").unlink()
    refused(empty_database, folder, r"0002_index-of-things, which there is no file of: newer code")


def test_line_ends_do_not_count(empty_database: str, folder: Path) -> None:
    """A checkout with the line ends of Windows has the same migrations."""
    run(empty_database, folder)
    (folder / "0001_things.sql").write_bytes(THINGS.replace("\n", "\r\n").encode())
    assert run(empty_database, folder) == []


def test_files_are_checked_first(folder: Path) -> None:
    """A file that cannot be right is refused before the database is reached."""
    (folder / "3.sql").touch()
    refused("postgresql://nobody@127.0.0.1:1/none", folder, r"3\.sql has no name like")
