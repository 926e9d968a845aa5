"""A password that is rotated while functions hold connections."""

import logging
from urllib.parse import urlsplit

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from penstock.consumer.faults.sqlstate import fault_of
from penstock.consumer.faults.tree import DeploymentFault
from penstock.database import drain_engine
from penstock.settings import Settings
from tests.support.secrets import Secrets


def url_of(database_url: str, password: str) -> str:
    server = urlsplit(database_url)
    return f"postgresql://clerk:{password}@{server.hostname}:{server.port}{server.path}"


@pytest.fixture
def secret(secrets: Secrets, database_url: str) -> Secrets:
    """The secret of a role of its own, as people paste it: with a line break at the end."""
    rotate(database_url, "one")
    secrets.text = url_of(database_url, "one") + "\n"
    return secrets


def rotate(database_url: str, password: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = 'clerk'").fetchone():
            connection.execute("CREATE ROLE clerk LOGIN")
        connection.execute(f"ALTER ROLE clerk PASSWORD '{password}'".encode())


def test_a_rotated_password_is_found(secret: Secrets, database_url: str, caplog: pytest.LogCaptureFixture) -> None:
    """When the server refuses the password, the secret is read again once, and the connection is made with it."""
    engine = drain_engine(Settings(database_url=secret.arn))
    with engine.connect() as connection:
        assert connection.execute(text("SELECT current_user")).scalar_one() == "clerk"
    rotate(database_url, "two")
    secret.text = url_of(database_url, "two")
    secret.clock.advance(11)
    engine.dispose()
    for _ in range(2):
        with engine.connect() as connection:
            assert connection.execute(text("SELECT current_user")).scalar_one() == "clerk"
        engine.dispose()
    assert secret.calls == 2
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == [
        "authentication failed"
    ]


def test_a_wrong_password_is_a_fault_of_the_deployment(secret: Secrets, database_url: str) -> None:
    """While the secret holds a wrong password, Secrets Manager is asked at most once in ten seconds."""
    rotate(database_url, "two")
    engine = drain_engine(Settings(database_url=secret.arn))
    secret.clock.advance(11)
    for _ in range(3):
        with pytest.raises(OperationalError) as caught:
            engine.connect()
        fault = fault_of(caught.value)
        assert (type(fault), fault.cause.reason) == (DeploymentFault, "AuthenticationFailed")
    assert secret.calls == 2
    engine.dispose()
