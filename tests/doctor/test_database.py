"""The database held against the budget, as the role of the functions: a real Postgres, and a real PgBouncer."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from psycopg import sql
from sqlalchemy.engine import make_url

from penstock.database import make_engine
from penstock.doctor.budget import Budget, Share
from penstock.doctor.finding import Finding
from penstock.doctor.live_database import examine_database
from tests.support.doctor import wrong
from tests.support.folders import server_folder
from tests.support.pgbouncer import pgbouncer
from tests.support.servers import postgres_15

ROLE, PASSWORD = "app_of_the_doctor", "secret"
TIMEOUTS = {"idle_session_timeout": "10min", "idle_in_transaction_session_timeout": "1min"}


def budget(concurrency: int) -> Budget:
    return Budget((Share("Drain", concurrency, 1),))


@contextmanager
def role_of(database_url: str, *settings: str) -> Iterator[str]:
    """Give a role of the functions the idle timeouts, and the database its settings; yield the role's URL."""
    url = make_url(database_url)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {ROLE} LOGIN PASSWORD '{PASSWORD}'")
        connection.execute(f"GRANT USAGE ON SCHEMA penstock TO {ROLE}")
        connection.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA penstock TO {ROLE}")
        for name, value in TIMEOUTS.items():
            connection.execute(
                sql.SQL("ALTER ROLE {} SET {} = {}").format(*map(sql.Identifier, (ROLE, name)), value)
            )
        for setting in settings:
            connection.execute(setting.format(role=ROLE, database=url.database))
        try:
            yield url.set(username=ROLE, password=PASSWORD).render_as_string(hide_password=False)
        finally:
            connection.execute(f"ALTER DATABASE {url.database} CONNECTION LIMIT -1")
            connection.execute(f"DROP OWNED BY {ROLE}; DROP ROLE {ROLE}")


def examine(url: str, connections: Budget | None) -> list[Finding]:
    """Return the findings but for those of the server, which the tests run without durability."""
    return [one for one in examine_all(url, connections) if one.rule != "server"]


def examine_all(url: str, connections: Budget | None) -> list[Finding]:
    engine = make_engine(url)
    try:
        return examine_database(engine, connections, people=5)
    finally:
        engine.dispose()


def test_a_database_that_grants_enough(database_url: str) -> None:
    """Nothing is wrong if the database grants the budget twice and the connections of people."""
    with role_of(database_url) as url:
        assert examine(url, budget(14)) == []


@pytest.mark.parametrize(
    ("connections", "setting", "severity", "text"),
    [
        (
            98,
            "SELECT 1",
            "fault",
            "max_connections (100) less 3 reserved leaves 97 connections, and the budget is 98",
        ),
        (47, "SELECT 1", "warning", "leaves 97 connections; while a deployment shifts, the service can hold 94"),
        (14, "ALTER ROLE {role} CONNECTION LIMIT 13", "fault", "limit of the role app_of_the_doctor"),
        (14, "ALTER ROLE {role} CONNECTION LIMIT 27", "warning", "can hold 28"),
        (14, "ALTER DATABASE {database} CONNECTION LIMIT 13", "fault", "limit of the database"),
        (14, "ALTER DATABASE {database} CONNECTION LIMIT 32", "warning", "and 5 are kept for people"),
    ],
)
def test_a_database_that_grants_too_little(
    database_url: str, connections: int, setting: str, severity: str, text: str
) -> None:
    """The limits of the server, the role and the database are held against the budget, each with its numbers."""
    with role_of(database_url, setting) as url:
        (found,) = examine(url, budget(connections))
    assert (found.rule, found.severity, text in found.problem) == ("granted", severity, True), found
    assert found.hint


def test_limits_that_fit_exactly(database_url: str) -> None:
    """A role that grants twice the budget, and a database that grants people's connections too, are enough."""
    role, database = "ALTER ROLE {role} CONNECTION LIMIT 28", "ALTER DATABASE {database} CONNECTION LIMIT 33"
    with role_of(database_url, role, database) as url:
        assert examine(url, budget(14)) == []


def test_reserved_connections(database_url: str) -> None:
    """Connections that PostgreSQL 16 reserves count for a role that may use them."""
    with role_of(database_url, "GRANT pg_use_reserved_connections TO {role}") as url:
        assert wrong(examine(url, budget(46))) == []
        assert [one.severity for one in examine(url, budget(47))] == ["warning"]


def test_idle_timeouts(database_url: str) -> None:
    """An idle timeout that is missing is a warning that names it and the command that sets it."""
    with role_of(database_url, "ALTER ROLE {role} RESET idle_session_timeout") as url:
        (found,) = examine(url, budget(14))
    assert (found.rule, found.severity) == ("idle-timeouts", "warning")
    assert found.problem == f"idle_session_timeout not set for the role {ROLE}"
    assert "penstock db upgrade --idle-timeouts" in str(found.hint)


def test_ledger(database_url: str, empty_database: str) -> None:
    """Tables of Penstock that are missing, too old or too new are what `penstock check` says of them."""
    found = {one.rule: one for one in examine(empty_database, budget(1))}
    assert "do not exist" in found["ledger"].problem
    assert found["ledger"].severity == "fault"
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE penstock.alembic_version SET version_num = '9999'")
    found = {one.rule: one for one in examine(database_url, budget(1))}
    assert "9999" in found["ledger"].problem


def test_server(database_url: str) -> None:
    """A server that can lose what it has committed is what `penstock check` says of it."""
    found = [one for one in examine_all(database_url, budget(1)) if one.rule == "server"]
    assert any("fsync is off" in one.problem for one in found)


def test_superuser(database_url: str) -> None:
    """A superuser is a note, because no limit holds for it."""
    found = [one for one in examine(database_url, budget(1)) if one.rule == "granted"]
    assert [one.severity for one in found] == ["note"]
    assert "is a superuser" in found[0].problem


def test_unknown_budget(database_url: str) -> None:
    """Without a budget the rest is examined, and what is not is said."""
    with role_of(database_url) as url:
        (found,) = examine(url, None)
    assert "the budget of the service is not known" in found.problem


def test_postgres_15() -> None:
    """The oldest server in use has no reserved_connections, and is examined too."""
    with postgres_15(settings={"max_connections": "20"}) as url:
        found = [one for one in examine(url, budget(18)) if one.rule == "granted"]
    assert any("max_connections (20) less 3 reserved leaves 17" in one.problem for one in found)


def test_pgbouncer(database_url: str) -> None:
    """The limits of a PgBouncer that shows them are held against the budget and the server."""
    with pgbouncer(database_url, pool_size=2, max_client_conn="40") as url:
        found = [one for one in examine(url, budget(14)) if one.rule == "pooler-limits"]
        assert [(one.severity, "2 connections for a budget of 14" in one.problem) for one in found] == [
            ("note", True)
        ]
        (idle,) = [one for one in examine(url, budget(14)) if one.rule == "idle-timeouts"]
        assert idle.problem.startswith("idle_in_transaction_session_timeout not set"), "and no other one"
        assert "PgBouncer" in str(idle.hint)
        (refused,) = [one for one in examine(url, budget(41)) if one.severity == "fault"]
        assert "the pooler's max_client_conn leaves 40 connections, and the budget is 41" in refused.problem
    with pgbouncer(database_url, pool_size=200) as url:
        (wide,) = [one for one in wrong(examine(url, budget(14))) if one.rule == "pooler-limits"]
        assert "opens up to 200 connections for one user, and the database grants 97" in wide.problem


def test_a_pooler_that_shows_nothing(database_url: str) -> None:
    """Of a pooler that shows its limits to others only, the numbers that it needs are said."""
    folder = server_folder()
    folder.chmod(0o755)
    users = folder / "users"
    users.write_text(f'"{make_url(database_url).username}" ""\n')
    try:
        with pgbouncer(database_url, auth_type="trust", auth_file=str(users)) as url:
            found = [one for one in examine(url, budget(14)) if one.rule == "pooler-limits"]
    finally:
        shutil.rmtree(folder)
    assert len(found) == 1
    assert "not checked: the limits of the pooler" in found[0].problem
    assert "28 clients" in found[0].problem
