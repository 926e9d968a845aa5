"""A Postgres server that tests may stop and freeze, and a Lambda in memory."""

from collections.abc import Iterator

import psycopg
import pytest
from sqlalchemy import Engine

from penstock.consumer.breaker import breaker
from penstock.database import make_engine
from penstock.database.migrate import upgrade
from penstock.local.postgres import Postgres
from tests.support.breaker import NOWHERE, Bench
from tests.support.lambdas import LambdaStub


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> LambdaStub:
    stub = LambdaStub()
    monkeypatch.setattr(breaker, "lambda_client", lambda: stub)
    return stub


@pytest.fixture(scope="package")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    server = Postgres(tmp_path_factory.mktemp("server"))
    server.start()
    upgrade(server.url())
    with psycopg.connect(server.url()) as connection:
        connection.execute("CREATE TABLE notes (intent_id uuid PRIMARY KEY, text text)")
    yield server
    server.stop()


@pytest.fixture
def server(own_server: Postgres) -> Iterator[Postgres]:
    """A Postgres server that a test may stop or freeze; it works again before each test."""
    own_server.start()
    yield own_server
    own_server.thaw()


@pytest.fixture
def bench(server: Postgres, aws: LambdaStub) -> Iterator[Bench]:
    bench = Bench(server.url(), aws)
    yield bench
    bench.engine.dispose()


@pytest.fixture
def nowhere() -> Iterator[Engine]:
    engine = make_engine(NOWHERE)
    yield engine
    engine.dispose()
