"""The function `migrate`, called in this process, with a real database."""

import json
import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest

from penstock.database import migrate
from penstock.functions.migration import Migration
from penstock.settings import Settings
from penstock.testing import LambdaContext
from tests.support.project import ROOT

FAILING = """
from alembic import op

revision, down_revision = "0001", None


def upgrade() -> None:
    op.execute("CREATE TABLE people (email text UNIQUE)")
    op.execute("INSERT INTO people VALUES ('someone@example.org'), ('someone@example.org')")
"""


@pytest.fixture(autouse=True)
def artifact(monkeypatch: pytest.MonkeyPatch) -> None:
    """The repository in place of the artifact, which holds the shop's drain and migrations too."""
    monkeypatch.setenv("LAMBDA_TASK_ROOT", str(ROOT))


def invoke(url: str, event: Any = None, *, seconds: float = 60) -> dict[str, Any]:
    """Invoke the function, and return its answer as Lambda does."""
    function = Migration(settings=Settings(database_url=url))
    answer: dict[str, Any] = json.loads(json.dumps(function.handler(event or {}, LambdaContext(seconds))))
    return answer


def tables(url: str) -> set[str]:
    with psycopg.connect(url) as connection:
        return {name for (name,) in connection.execute("SELECT relname FROM pg_class WHERE relkind = 'r'")}


def test_migrations_then_the_check(empty_database: str) -> None:
    """An empty event applies what is missing and checks the result; a second one finds nothing to apply."""
    first = invoke(empty_database)
    assert first["applied"][0] == "penstock 0001"
    assert "service 0001" in first["applied"]
    assert tables(empty_database) >= {"ledger", "page_views", "stock"}
    assert "stock.adjusted" in first["kinds"]
    assert [one for one in first["findings"] if one["severity"] == "fault"] == []
    assert invoke(empty_database) == first | {"applied": []}


def test_one_action(empty_database: str) -> None:
    """`check` changes nothing and finds what is missing; `upgrade` checks nothing."""
    before = tables(empty_database)
    found = invoke(empty_database, {"action": "check"})
    assert "Penstock's own tables do not exist" in [finding["problem"] for finding in found["findings"]]
    assert tables(empty_database) == before
    assert invoke(empty_database, {"action": "upgrade"}).keys() == {"applied"}


def test_two_at_once(empty_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two that run at once, one waits for the other; each revision is applied once, and both succeed."""
    with ThreadPoolExecutor(2) as threads:
        answers = list(threads.map(invoke, [empty_database] * 2))
    every = [revision for one in answers for revision in one["applied"]]
    assert sorted(every) == sorted(set(every))
    assert {"penstock 0001", "service 0001"} <= set(every)


def test_a_migration_that_fails(
    empty_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Its error is the answer without values of rows, nothing of its set is applied, and a repair can follow."""
    (tmp_path / "versions").mkdir()
    (tmp_path / "versions" / "0001_people.py").write_text(FAILING)
    monkeypatch.setenv("PENSTOCK_MIGRATIONS", str(tmp_path))
    answer = invoke(empty_database)
    monkeypatch.delenv("PENSTOCK_MIGRATIONS")
    assert answer["blame"] == "other"
    assert 'duplicate key value violates unique constraint "people_email_key"' in answer["error"]
    assert "someone@example.org" not in answer["error"] + caplog.text
    assert "ledger" in tables(empty_database)
    assert "people" not in tables(empty_database)
    assert "service 0001" in invoke(empty_database)["applied"]


def test_out_of_time(empty_database: str) -> None:
    """A function that waits for a lock answers before its timeout, and leaves nothing behind in the database."""
    with psycopg.connect(empty_database) as connection:
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [migrate._LOCK])
        answer = invoke(empty_database, seconds=7)
        assert "canceling statement due to statement timeout" in answer["error"]
        query = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        assert connection.execute(query).fetchone() == (0,)
    assert "error" not in invoke(empty_database)


@pytest.mark.parametrize(
    ("event", "options", "problem"),
    [
        ({"action": "drop"}, {}, "no key but 'action', which is 'upgrade', 'check' or left out"),
        ({"action": ["upgrade"]}, {}, "no key but 'action'"),
        ({"drain": "os:system"}, {}, "no key but 'action'"),
        ({"action": "ledger"}, {}, "an event of the action 'ledger' is wrong in: read"),
        ({"action": "ledger", "read": "states", "ids": ["hunter2"]}, {}, "is wrong in: states.ids.0"),
        ({"action": "ledger", "read": "counts", "since": "2026-11-20T10:00:00"}, {}, "is wrong in: counts.since"),
        ({"action": "ledger", "read": "counts", "sql": "x"}, {}, "is wrong in: counts.since, counts.sql"),
        ({}, {"settings": Settings()}, "PENSTOCK_DATABASE_URL is not set"),
        ({}, {"settings": Settings(database_url="hunter2")}, "postgresql://USER@HOST:PORT/DATABASE"),
    ],
)
def test_wrong_usage(event: Any, options: dict[str, Any], problem: str) -> None:
    """A bad event or setting is answered as such, and nothing is done."""
    given = {"settings": Settings(database_url="postgresql://u:hunter2@127.0.0.1:1/x")} | options
    answer = Migration(**given).handler(event, LambdaContext())
    assert answer["blame"] == "settings"
    assert problem in answer["error"]
    assert "hunter2" not in answer["error"]


def test_another_drain(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment names the drain that is checked, and what is no drain is an error of the settings."""
    monkeypatch.setenv("PENSTOCK_DRAIN", "consumer.tables:stock")
    answer = invoke("postgresql://u@127.0.0.1:1/x", {"action": "check"})
    assert answer["blame"] == "settings"
    assert "consumer.tables:stock is no penstock.consumer.Drain" in answer["error"]


def test_a_database_that_cannot_be_reached(caplog: pytest.LogCaptureFixture) -> None:
    """The answer names the host and no password; the log names the class of the error alone."""
    caplog.set_level(logging.DEBUG, "penstock")
    answer = invoke("postgresql://u:hunter2@127.0.0.1:1/x")
    assert answer["blame"] == "other"
    assert "127.0.0.1" in answer["error"]
    assert [record.getMessage() for record in caplog.records] == ["not done: OperationalError"]
    assert "hunter2" not in json.dumps(answer) + caplog.text


def test_plain_sql(empty_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of SQL in the artifact are applied; an error of one has its name and no values of rows."""
    monkeypatch.setenv("PENSTOCK_MIGRATIONS", str(tmp_path))
    (tmp_path / "0001_people.sql").write_text("CREATE TABLE people (email text UNIQUE)")
    applied = invoke(empty_database, {"action": "upgrade"})["applied"]
    assert applied[-1] == "service 0001_people"
    (tmp_path / "0002_twice.sql").write_text("INSERT INTO people VALUES ('a@example.org'), ('a@example.org')")
    failed = invoke(empty_database, {"action": "upgrade"})
    assert failed["error"].startswith(f"{tmp_path}/0002_twice.sql failed and was rolled back: duplicate key value")
    assert (failed["blame"], "example.org" in failed["error"]) == ("other", False)
    (tmp_path / "0001_people.sql").write_text("CREATE TABLE persons (email text UNIQUE)")
    changed = invoke(empty_database, {"action": "upgrade"})
    assert (changed["blame"], "has changed since it was applied" in changed["error"]) == ("migrations", True)
