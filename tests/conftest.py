"""Shared fixtures: an embedded Postgres per test process, a database cloned from a template per test, a stack."""

import os
import shutil
import signal
from collections.abc import Iterator
from functools import cache
from itertools import count
from pathlib import Path

import botocore.session
import httpx
import psycopg
import pytest
from hypothesis import settings as hypothesis_settings
from sqlalchemy import Engine

from penstock import cli
from penstock.database import make_engine
from penstock.deadletters.scan import leases
from penstock.local import state
from penstock.local.aws import LocalAws
from penstock.local.errors import ToolError
from penstock.local.node import check_node
from penstock.local.postgres import Postgres
from penstock.local.stack import LocalDeployment
from penstock.local.state import LocalState
from penstock.testing.database import FAST, TemplateDatabase
from tests.support.cli_stack import FIFO, STANDARD, Ended, Run, Stack, deployed
from tests.support.folders import server_folder
from tests.support.project import ROOT
from tests.support.repositories import build_wheel
from tests.support.secrets import Secrets

# Nothing of the caller's AWS reaches a test. The name of a PgBouncer is for the tests themselves.
for name in [name for name in os.environ if name.startswith(("AWS_", "PENSTOCK_", "POWERTOOLS_"))]:
    if name != "PENSTOCK_TEST_PGBOUNCER":
        del os.environ[name]
os.environ |= {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}

# A shell starts a job in the background with SIGINT ignored, and `nohup` ignores SIGHUP. Commands inherit that
# and would sleep through the signals that tests send them. A handler is not inherited.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, lambda *_: None)

# The models of AWS's services are read once in a process. Reading them in each session took a quarter of the
# time of the tests of the command line.
botocore.session.create_loader = cache(botocore.session.create_loader)

hypothesis_settings.register_profile("default", deadline=None, max_examples=50)
hypothesis_settings.load_profile("default")

_SERVERS = {"postgres", "local_aws_endpoint", "stack"}
_SERVER_FOLDERS = {"benchmarks", "e2e", "local"}
_LONGEST_NAME = 60
_numbers = count()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that start a server: `make unit` runs the others. Those that take long come first."""
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        if fixtures & _SERVERS or _SERVER_FOLDERS.intersection(item.path.relative_to(ROOT).parts):
            item.add_marker("server")
    # A long one that came last would leave the other process of a run without work.
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Call a case by a short text; a long one may hold ids that are others in each process of a run."""
    return argname if isinstance(val, str | bytes) and len(val) > _LONGEST_NAME else None


@pytest.fixture(scope="session")
def local_aws_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A local AWS for this test process; all of them share one installation of it."""
    aws = LocalAws(tmp_path_factory.mktemp("aws"), environment=ROOT / ".penstock" / "aws-environment")
    aws.start()
    yield aws.endpoint_url
    aws.stop()


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this framework."""
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> Secrets:
    """Secrets Manager with one secret, which can be made to fail."""
    return Secrets(monkeypatch)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A Postgres server for this test process."""
    folder = server_folder()
    # In memory, the log of the writes has to stay small.
    server = Postgres(folder, settings={**FAST, "max_wal_size": "128MB"})
    server.start()
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def template_database(postgres: Postgres) -> TemplateDatabase:
    """The database that each test gets a clone of, with the framework's and the shop's tables."""
    return TemplateDatabase(postgres.url(), ROOT / "infra" / "migrations")


@pytest.fixture
def database_url(template_database: TemplateDatabase) -> Iterator[str]:
    """The URL of a fresh database with the framework's and the shop's tables."""
    with template_database.clone() as url:
        yield url


@pytest.fixture
def empty_database(postgres: Postgres) -> Iterator[str]:
    """The URL of a database without tables."""
    name = f"empty_{os.getpid()}_{next(_numbers)}"
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield postgres.url(name)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """A bounded engine on the fresh database."""
    engine = make_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalDeployment]:
    """The service, deployed to a local stack of its own; for tests of the xdist group `deployment`."""
    try:
        check_node()
    except ToolError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))
    stack = LocalDeployment(ROOT, tmp_path_factory.mktemp("stack"))
    try:
        stack.up()
        yield stack
    finally:
        stack.reset()


@pytest.fixture
def live(stack: LocalDeployment) -> LocalState:
    """The way to the stack, as it is recorded."""
    live = state.read(stack.folder)
    assert live is not None
    return live


@pytest.fixture
def api(live: LocalState) -> Iterator[httpx.Client]:
    """An HTTP client of the service's API."""
    with httpx.Client(base_url=live.api_url, headers=live.api_headers, timeout=30, trust_env=False) as client:
        yield client


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Give what runs the command line in this process, without a terminal."""

    def run(*words: str) -> Ended:
        with pytest.raises(SystemExit) as ended:
            cli.main(words)
        captured = capsys.readouterr()
        code = ended.value.code
        return Ended(code if isinstance(code, int) else 1, captured.out, captured.err)

    return run


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def short_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare each scan the second of its last, empty receive: the local SQS gives at once all that it has."""
    monkeypatch.setattr(leases, "_WAIT_SECONDS", 0)


@pytest.fixture
def shop(folder: Path, local_aws_endpoint: str, database_url: str, short_polls: None) -> Iterator[Stack]:
    """Deploy the two queues of a service to the local AWS, and stand in the service's folder."""
    with deployed(folder, local_aws_endpoint, database_url, STANDARD) as stack:
        yield stack


@pytest.fixture
def fifo_shop(folder: Path, local_aws_endpoint: str, database_url: str, short_polls: None) -> Iterator[Stack]:
    """The same with FIFO queues."""
    with deployed(folder, local_aws_endpoint, database_url, FIFO) as stack:
        yield stack
