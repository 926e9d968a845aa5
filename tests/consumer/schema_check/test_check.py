"""The schema check as a whole: the server, the framework's own tables, and how the check runs."""

import pytest
from sqlalchemy import Engine, text

from consumer.writes import drain as shop
from penstock.consumer.schema_check.catalog import Server
from penstock.consumer.schema_check.check import check_schema
from penstock.consumer.schema_check.finding import Finding
from penstock.database import make_engine
from tests.support.schema_check import FAULT, NOTE, WARNING, check, execute, safely


def test_the_shop_agrees(engine: Engine) -> None:
    """The shop's drain agrees with its migrations; only its function cannot be checked."""
    (finding,) = safely(check_schema(engine, shop))
    assert (finding.severity, finding.kind) == (NOTE, "email.requested")
    assert "function" in finding.problem


def test_tables_as_declared_agree(made: Engine) -> None:
    """Tables created from the declarations agree: quoted names, schemas, mapped classes and enums."""
    assert check(made) == []


def test_newer_tables_of_penstock_are_a_warning(made: Engine) -> None:
    """Revisions that this version does not know are a warning."""
    execute(made, "UPDATE penstock.alembic_version SET version_num = '9999'")
    (finding,) = check(made)
    assert (finding.severity, finding.kind) == (WARNING, None)
    assert "9999" in finding.problem


def test_a_read_only_database_is_found(made: Engine, database_url: str) -> None:
    """A database whose transactions are read only by default is a fault."""
    execute(made, f"ALTER DATABASE {made.url.database} SET default_transaction_read_only = on")
    engine = make_engine(database_url)
    (finding,) = check(engine)
    engine.dispose()
    assert (finding.severity, finding.kind) == (FAULT, None)
    assert "read only" in finding.problem


@pytest.mark.parametrize(
    ("server", "problem"),
    [
        (Server(version=180001, standby=True, read_only=True), "the server is a standby, which takes no writes"),
        (Server(version=130022, standby=False, read_only=False), "PostgreSQL 13 is too old"),
    ],
)
def test_an_unsuitable_server_is_found(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, server: Server, problem: str
) -> None:
    """A standby and a version that is too old are faults."""
    monkeypatch.setattr("penstock.consumer.schema_check.check.read_server", lambda _: server)
    (fault,) = [finding for finding in check_schema(engine, shop) if finding.severity == FAULT]
    assert (fault.kind, fault.problem) == (None, problem)


def test_nothing_is_written_and_nothing_waits(made: Engine, database_url: str) -> None:
    """The check runs while a table is locked, and leaves the connection's settings unchanged."""
    engine = make_engine(database_url)
    with made.begin() as connection:
        connection.execute(text("LOCK TABLE stock, penstock.ledger IN ACCESS EXCLUSIVE MODE"))
        assert check(engine) == []
    with engine.begin() as connection:
        found = connection.execute(
            text(
                "SELECT current_setting('transaction_read_only'), current_setting('transaction_isolation'),"
                " current_setting('statement_timeout')"
            )
        ).one()
    engine.dispose()
    assert tuple(found) == ("off", "read committed", "0")


def test_a_finding_reads_as_a_sentence() -> None:
    """A finding is printed with the place, the problem and the hint that are known."""
    whole = Finding(
        severity=FAULT, problem="the column is odd", hint="repair it", table="t", column="c", field="f"
    )
    assert str(whole) == "field 'f', column 'c', table 't': the column is odd; repair it"
    assert str(Finding(severity=NOTE, problem="the column is odd")) == "the column is odd"
