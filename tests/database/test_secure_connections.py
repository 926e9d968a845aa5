"""TLS with a certification authority of the database's own, and tokens of IAM, on a server with TLS."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest
from botocore.exceptions import NoCredentialsError
from sqlalchemy import Engine, text
from sqlalchemy.exc import OperationalError

from penstock.consumer.faults.sqlstate import fault_of
from penstock.consumer.faults.tree import DeploymentFault, EnvironmentFault
from penstock.database import drain_engine, make_engine, managed_engine
from penstock.database.migrate import upgrade
from penstock.settings import Settings
from tests.support.secrets import Secrets
from tests.support.servers import postgres_15
from tests.support.tls import Certificates, make_certificates

SESSION = text("SELECT current_user, ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def superuser(tls: Certificates) -> Iterator[str]:
    """The superuser's URL of a server with TLS, which has a role `clerk`."""
    with postgres_15(tls=tls) as url:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("CREATE ROLE clerk LOGIN")
        yield url


def set_password(superuser: str, password: str) -> None:
    with psycopg.connect(superuser, autocommit=True) as connection:
        connection.execute(f"ALTER ROLE clerk PASSWORD '{password}'".encode())


def session_of(engine: Engine) -> tuple[str, bool]:
    """Return the user of a new connection, and whether it is encrypted."""
    engine.dispose()
    with engine.connect() as connection:
        user, encrypted = connection.execute(SESSION).one()
    return user, encrypted


class Iam:
    """IAM and a server that accepts only the newest token, each one once made by botocore's own signer."""

    def __init__(self, superuser: str, secrets: Secrets) -> None:
        self.tokens: list[str] = []
        self.accepting = True
        self.get_secret_value = secrets.get_secret_value
        self.close = secrets.close
        self._superuser = superuser

    def generate_db_auth_token(self, DBHostname: str, Port: int, DBUsername: str) -> str:  # noqa: N803 (AWS's names)
        self.tokens.append(f"{DBHostname}:{Port}/?Action=connect&DBUser={DBUsername}&n={len(self.tokens)}")
        if self.accepting:
            set_password(self._superuser, self.tokens[-1])
        return self.tokens[-1]


@pytest.fixture
def iam(superuser: str, secrets: Secrets, monkeypatch: pytest.MonkeyPatch) -> Iam:
    found = Iam(superuser, secrets)
    monkeypatch.setattr("penstock.aws.aws_client", lambda *_words, **_options: found)
    return found


def iam_url(superuser: str, tls: Certificates) -> str:
    server = urlsplit(superuser)
    place = f"{server.hostname}:{server.port}/postgres"
    return f"postgresql://clerk@{place}?credentials=iam&sslmode=verify-full&sslrootcert={tls.ca}"


def test_the_certificate_is_verified(superuser: str, tls: Certificates, tmp_path: Path) -> None:
    """With verify-full a connection is encrypted; another authority or another host name is refused."""
    url = f"{superuser}?sslmode=verify-full&sslrootcert="
    engine = make_engine(f"{url}{tls.ca}")
    assert session_of(engine) == ("postgres", True)
    engine.dispose()
    for wrong in (f"{url}{make_certificates(tmp_path).ca}", f"{url}{tls.ca}".replace("@127.0.0.1", "@localhost")):
        with pytest.raises(OperationalError, match="certificate"):
            make_engine(wrong).connect()


def test_the_certificates_of_the_system(
    superuser: str, tls: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With sslrootcert=system, the driver's own OpenSSL knows no authority but those of SSL_CERT_FILE."""
    url = f"{superuser}?sslmode=verify-full&sslrootcert=system"
    with pytest.raises(OperationalError, match="certificate"):
        make_engine(url).connect()
    monkeypatch.setenv("SSL_CERT_FILE", str(tls.ca))
    engine = make_engine(url)
    assert session_of(engine) == ("postgres", True)
    engine.dispose()


def test_a_secret_of_rds_over_tls(superuser: str, tls: Certificates, secrets: Secrets) -> None:
    """A secret that RDS rotates, with user and password alone, is followed; host and TLS are those of the URL."""
    server = urlsplit(superuser)
    set_password(superuser, "one")
    secrets.text = json.dumps({"username": "clerk", "password": "one"})
    engine = drain_engine(
        Settings(
            database_url=f"postgresql://{server.hostname}:{server.port}/postgres?credentials={secrets.arn}"
            f"&sslmode=verify-full&sslrootcert={tls.ca}"
        )
    )
    assert session_of(engine) == ("clerk", True)
    set_password(superuser, "two")
    secrets.text = json.dumps({"username": "clerk", "password": "two"})
    secrets.clock.advance(11)
    for _ in range(2):
        assert session_of(engine) == ("clerk", True)
    assert secrets.calls == 2
    engine.dispose()


def test_a_managed_engine_follows_a_rotated_secret_over_tls(
    superuser: str, tls: Certificates, secrets: Secrets
) -> None:
    """Its connection is made with the current password, tried out over TLS, and replaced after the rotation."""
    set_password(superuser, "one")
    secrets.text = json.dumps({"username": "clerk", "password": "one"})
    server = urlsplit(superuser)
    database = managed_engine(
        f"postgresql://{server.hostname}:{server.port}/postgres?credentials={secrets.arn}"
        f"&sslmode=verify-full&sslrootcert={tls.ca}"
    )
    assert session_of(database.engine) == ("clerk", True)
    set_password(superuser, "two")
    secrets.text = json.dumps({"username": "clerk", "password": "two"})
    secrets.clock.advance(11)
    for _ in range(2):
        assert session_of(database.engine) == ("clerk", True)
    with database.transaction() as connection:
        assert connection.execute(SESSION).one() == ("clerk", True)
    assert (secrets.calls, database.get_stats().retries, database.get_stats().connects) == (2, 0, 3)
    database.close()


def test_each_connection_has_a_token_of_its_own(
    superuser: str, tls: Certificates, iam: Iam, caplog: pytest.LogCaptureFixture
) -> None:
    """A token is made for each new connection and never logged; one connection can serve several transactions."""
    caplog.set_level(logging.DEBUG)
    engine = drain_engine(Settings(database_url=iam_url(superuser, tls)))
    assert iam.tokens == []
    for made in (1, 2, 3):
        assert session_of(engine) == ("clerk", True)
        with engine.connect() as connection:
            connection.execute(SESSION)
        assert len(iam.tokens) == made
    assert iam.tokens[0].startswith("127.0.0.1:")
    assert "Action=connect" not in caplog.text
    engine.dispose()


def test_the_url_in_a_secret_may_ask_for_iam(
    superuser: str, tls: Certificates, iam: Iam, secrets: Secrets
) -> None:
    """A secret with a URL without a password, such as the one of the stage, works as the setting itself does."""
    secrets.text = iam_url(superuser, tls)
    engine = make_engine(secrets.arn)
    assert session_of(engine) == ("clerk", True)
    set_password(superuser, "another")
    assert session_of(engine) == ("clerk", True)
    engine.dispose()


def test_migrations_connect_with_tokens(superuser: str, tls: Certificates, iam: Iam) -> None:
    """`penstock db upgrade` takes the same forms of a setting as the functions."""
    with psycopg.connect(superuser, autocommit=True) as connection:
        connection.execute("GRANT CREATE ON DATABASE postgres TO clerk")
    assert upgrade(iam_url(superuser, tls))[0] == "penstock 0001"


def test_a_token_that_is_refused(
    superuser: str, tls: Certificates, iam: Iam, caplog: pytest.LogCaptureFixture
) -> None:
    """A role that may not log in with IAM is a fault of the deployment, and nothing shows the token."""
    set_password(superuser, "another")
    iam.accepting = False
    with pytest.raises(OperationalError) as caught:
        make_engine(iam_url(superuser, tls)).connect()
    assert isinstance(fault_of(caught.value), DeploymentFault)
    assert len(iam.tokens) == 1
    assert "Action=connect" not in str(caught.value) + caplog.text


def test_no_token_is_an_outage(
    superuser: str, tls: Certificates, iam: Iam, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When AWS gives no credentials to sign with, the connection fails as one that cannot be made now."""

    def refuse(**_options: object) -> str:
        raise NoCredentialsError

    monkeypatch.setattr(iam, "generate_db_auth_token", refuse)
    with pytest.raises(OperationalError, match=r"no IAM token for clerk at 127\.0\.0\.1: NoCred") as caught:
        make_engine(iam_url(superuser, tls)).connect()
    assert isinstance(fault_of(caught.value), EnvironmentFault)


def test_the_token_is_one_of_awss(superuser: str, tls: Certificates, monkeypatch: pytest.MonkeyPatch) -> None:
    """The password that the server sees is a request `rds-db:connect` that botocore signed for user and host."""
    seen: list[str] = []

    def connect(*_words: object, **options: str) -> None:
        seen.append(options["password"])
        raise psycopg.OperationalError("enough")

    engine = make_engine(iam_url(superuser, tls))
    monkeypatch.setattr(engine.dialect, "connect", connect)
    with pytest.raises(OperationalError):
        engine.connect()
    (token,) = seen
    request = parse_qs(urlsplit(f"//{token}").query)
    server = urlsplit(superuser)
    assert token.startswith(f"{server.hostname}:{server.port}/?")
    assert (request["Action"], request["DBUser"], request["X-Amz-Expires"]) == (["connect"], ["clerk"], ["900"])
    assert request["X-Amz-Credential"][0].endswith("/eu-central-1/rds-db/aws4_request")
