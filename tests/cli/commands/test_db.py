"""`penstock db upgrade | prune`."""

import json
from pathlib import Path

import psycopg
import pytest

from tests.support.cli_stack import Run, record

MIGRATION = """
from alembic import op

revision, down_revision, branch_labels, depends_on = "0001", None, None, None


def upgrade() -> None:
    op.execute("CREATE TABLE things (id int)")
"""


def test_an_upgrade_runs_once(folder: Path, run: Run, empty_database: str) -> None:
    """The revisions of framework and service are applied and printed, and a second run finds nothing to do."""
    versions = folder / "infra" / "migrations" / "versions"
    versions.mkdir(parents=True)
    (versions / "0001_things.py").write_text(MIGRATION)
    (folder / "serverless.yml").write_text("service: shop\n")
    first = run("db", "upgrade", "--database-url", empty_database)
    assert first.code == 0
    assert [line.split()[0] for line in first.out.splitlines()][-1] == "service"
    with psycopg.connect(empty_database) as connection:
        assert connection.execute("SELECT count(*) FROM things").fetchone() == (0,)
    second = run("db", "upgrade", "--database-url", empty_database, "--json")
    assert (second.code, second.out) == (0, "")
    assert "already up to date" in second.err


def test_prune_prints_what_it_did(folder: Path, run: Run, empty_database: str) -> None:
    """Prune finds the database as upgrade does, and prints its result as text or as JSON."""
    record(folder, database_url=empty_database)
    run("db", "upgrade")
    ended = run("db", "prune")
    assert (ended.code, ended.out.splitlines()[:2]) == (0, ["rotation\tnot-due", "tombstones\t0"])
    assert "127.0.0.1" in ended.err
    with psycopg.connect(empty_database) as connection:
        connection.execute("UPDATE penstock.rotation SET rotated_at = rotated_at - interval '30 days'")
    answer = json.loads(run("db", "prune", "--stage", "local", "--json").out)
    assert (answer["rotation"], answer["tombstones"]) == ("rotated", 0)


def test_a_postponed_rotation_is_a_conflict(
    run: Run, folder: Path, empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the ledger is locked for the whole time, prune reports it and exits with 5."""
    monkeypatch.setattr("penstock.cli.commands.db._PRUNING_SECONDS", 4)
    (folder / "serverless.yml").write_text("service: shop\n")
    words = ("--database-url", empty_database)
    run("db", "upgrade", *words)
    with psycopg.connect(empty_database) as connection:
        connection.execute("UPDATE penstock.rotation SET rotated_at = rotated_at - interval '30 days'")
        connection.commit()
        connection.execute("SELECT FROM penstock.ledger")
        ended = run("db", "prune", *words)
    assert (ended.code, ended.out.splitlines()[0]) == (5, "rotation\tpostponed")
    assert "run it again" in ended.err


def test_plain_sql(folder: Path, run: Run, empty_database: str) -> None:
    """Files of SQL are applied; one that Postgres refuses exits with 1, one that has changed with 5."""
    migrations = folder / "infra" / "migrations"
    migrations.mkdir(parents=True)
    (folder / "serverless.yml").write_text("service: shop\n")
    words = ("db", "upgrade", "--database-url", empty_database)
    (migrations / "0001_things.sql").write_text("CREATE TABLE things (id int)")
    assert run(*words).out.splitlines()[-1] == "service 0001_things"
    (migrations / "0002_bad.sql").write_text("CREATE TABLE things (id int)")
    failed = run(*words)
    assert (failed.code, failed.out) == (1, "")
    assert f'{migrations}/0002_bad.sql failed and was rolled back: relation "things" already exists' in failed.err
    (migrations / "0001_things.sql").write_text("CREATE TABLE things (id bigint)")
    changed = run(*words)
    assert (changed.code, "0001_things.sql has changed since it was applied" in changed.err) == (5, True)


def test_idle_timeouts_are_set_after_the_upgrade(folder: Path, run: Run, empty_database: str) -> None:
    """With --idle-timeouts the role has both timeouts in this database; without, it has not."""
    (folder / "serverless.yml").write_text("service: shop\n")
    words = ("db", "upgrade", "--database-url", empty_database)
    show = "SELECT current_setting('idle_session_timeout')"
    for option, expected in (((), "0"), (("--idle-timeouts",), "5min"), (("--idle-timeouts",), "5min")):
        ended = run(*words, *option)
        assert ended.code == 0
        assert ("idle_session_timeout = 5min" in ended.err) == bool(option)
        with psycopg.connect(empty_database) as connection:
            assert connection.execute(show).fetchone() == (expected,)


def test_idle_timeouts_of_a_role_that_does_not_exist(folder: Path, run: Run, empty_database: str) -> None:
    """A role that is not there is an error that names it; a role without --idle-timeouts is wrong usage."""
    (folder / "serverless.yml").write_text("service: shop\n")
    words = ("db", "upgrade", "--database-url", empty_database, "--role", "nobody-here")
    assert run(*words).code == 2
    ended = run(*words, "--idle-timeouts")
    assert (ended.code, 'role "nobody-here" does not exist' in ended.err) == (1, True)
    assert run("db", "upgrade", "--remote", "--idle-timeouts", "--role", "x").code == 2
