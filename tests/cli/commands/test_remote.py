"""`--remote`: the stage's function `migrate` in place of this machine."""

import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import boto3
import psycopg
import pytest
from botocore.exceptions import ClientError

from penstock.cli.support.stage import Stage
from penstock.database import make_engine
from penstock.functions import ledger_reads
from penstock.functions.migration import Migration
from penstock.settings import Settings
from penstock.testing import LambdaContext, MemoryQueue
from tests.support.cli_stack import Run
from tests.support.ledgers import Ledger
from tests.support.project import ROOT

STAGE = ("--stage", "dev")
NAME = "shop-dev-migrate"
HOUR = 3600.0
START = datetime.now(UTC) - timedelta(hours=2)


class Deployed:
    """A stage in AWS whose function `migrate` runs in this process."""

    def __init__(self, database_url: str) -> None:
        self.settings = Settings(database_url=database_url)
        self.outputs = {"MigrateFunctionName": NAME}
        self.invocation: dict[str, Any] = {}
        self.busy = False

    def describe_stacks(self, StackName: str) -> dict[str, Any]:  # noqa: N803 (AWS's name)
        assert StackName == "shop-dev"
        outputs = [{"OutputKey": key, "OutputValue": value} for key, value in self.outputs.items()]
        return {"Stacks": [{"Outputs": outputs}]}

    def invoke(self, FunctionName: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803 (AWS's names)
        assert FunctionName == NAME
        if self.busy:
            raise ClientError({"Error": {"Code": "TooManyRequestsException", "Message": "Rate"}}, "Invoke")
        if self.invocation:
            return self.invocation
        answer = Migration(settings=self.settings).handler(json.loads(Payload), LambdaContext())
        return {"StatusCode": 200, "Payload": io.BytesIO(json.dumps(answer).encode())}


@pytest.fixture
def deployed(empty_database: str, monkeypatch: pytest.MonkeyPatch) -> Deployed:
    """A deployed shop with an empty database; the command is run in the shop's folder."""
    stage = Deployed(empty_database)
    monkeypatch.setattr(boto3.Session, "client", lambda *_words, **_options: stage)
    monkeypatch.chdir(ROOT)
    return stage


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_an_upgrade_prints_the_same(
    deployed: Deployed, run: Run, database_url: str, form: tuple[str, ...]
) -> None:
    """Output and exit code are those of the local command, and a second run finds nothing to do."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA penstock CASCADE")
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    here = run("db", "upgrade", "--database-url", database_url, *form)
    remote = run("db", "upgrade", "--remote", *STAGE, *form)
    assert remote.out.count("\n") > 2
    assert (remote.code, remote.out) == (here.code, here.out) == (0, here.out)
    assert remote.err.splitlines() == [f"function {NAME} in eu-central-1", here.err.splitlines()[-1]]
    again = run("db", "upgrade", "--remote", *STAGE, *form)
    assert (again.code, again.out) == (0, "")
    assert "already up to date" in again.err


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_a_check_prints_the_same(deployed: Deployed, run: Run, empty_database: str, form: tuple[str, ...]) -> None:
    """Findings and exit code are those of the local command, without a fault and with one."""
    run("db", "upgrade", "--remote", *STAGE)
    for code in (0, 1):
        here = run("check", "--database-url", empty_database, *form)
        remote = run("check", "--remote", *STAGE, *form)
        assert (remote.code, remote.out) == (code, here.out)
        assert remote.err.splitlines()[-1] == here.err.splitlines()[-1]
        with psycopg.connect(empty_database, autocommit=True) as connection:
            connection.execute("ALTER TABLE stock ALTER quantity TYPE smallint")
    assert "fault" in remote.out


@pytest.mark.parametrize("form", [(), ("--json",)])
@pytest.mark.parametrize("words", [("--since", START.isoformat()), ("--ids", "ids.txt")])
def test_an_audit_prints_the_same(  # noqa: PLR0917
    deployed: Deployed,
    run: Run,
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    form: tuple[str, ...],
    words: tuple[str, ...],
) -> None:
    """Findings, account and exit code are those of the local command, however many pages the ledger has."""
    monkeypatch.setattr(ledger_reads, "PAGE", 3)
    deployed.settings = Settings(database_url=database_url)
    engine = make_engine(database_url)
    ledger = Ledger(engine)
    gone = [ledger.enter("dead", ago=HOUR) for _ in range(7)]
    known = [ledger.enter(outcome, ago=HOUR) for outcome in ("applied", "stale", "pending", "applied")]
    engine.dispose()
    queues: Any = SimpleNamespace(main=MemoryQueue(), dead=MemoryQueue(), retention_seconds=1_209_600)
    monkeypatch.setattr(Stage, "queues", lambda _: queues)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "serverless.yml").write_text("service: shop\n")
    (tmp_path / "ids.txt").write_text("\n".join(map(str, [*gone, *known[:3], uuid4()])))
    here = run("audit", "--check", *words, *form, *STAGE, "--database-url", database_url)
    remote = run("audit", "--check", *words, *form, *STAGE, "--remote")
    assert "gone" in here.out
    assert "lost" in here.out
    assert remote.code == here.code == 10
    assert sorted(remote.out.splitlines()) == sorted(here.out.splitlines())
    assert remote.err.splitlines() == [f"function {NAME} in eu-central-1", *here.err.splitlines()[1:]]


def test_a_database_of_newer_code_is_a_conflict(deployed: Deployed, run: Run, empty_database: str) -> None:
    """An upgrade of a database that newer code has upgraded exits with 5, here and in the function."""
    run("db", "upgrade", "--remote", *STAGE)
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute("UPDATE penstock.alembic_version SET version_num = '9999'")
    here = run("db", "upgrade", "--database-url", empty_database)
    remote = run("db", "upgrade", "--remote", *STAGE)
    assert (here.code, remote.code) == (5, 5)
    assert here.err.splitlines()[1:] == remote.err.splitlines()[1:]


def test_errors_of_the_function(deployed: Deployed, run: Run) -> None:
    """An unreachable database exits with 1 and a bad setting with 2, as they do locally."""
    for url, code, problem in (
        ("postgresql://u:hunter2@127.0.0.1:1/x", 1, "127.0.0.1"),
        ("", 2, "PENSTOCK_DATABASE_URL is not set"),
    ):
        deployed.settings = Settings(database_url=url)
        for words in (("db", "upgrade"), ("check",)):
            ended = run(*words, "--remote", *STAGE)
            assert (ended.code, ended.out) == (code, "")
            assert problem in ended.err
            assert "hunter2" not in ended.err


def test_a_function_that_does_not_answer(deployed: Deployed, run: Run) -> None:
    """A crash or a timeout exits with 1 and its cause; a function that is running already is a conflict."""
    cause = {"errorType": "Sandbox.Timedout", "errorMessage": "Task timed out after 300.00 seconds\nmore"}
    payload = io.BytesIO(json.dumps(cause).encode())
    deployed.invocation = {"FunctionError": "Unhandled", "Payload": payload}
    crashed = run("db", "upgrade", "--remote", *STAGE)
    assert (crashed.code, crashed.out) == (1, "")
    assert f"{NAME} failed: Sandbox.Timedout: Task timed out after 300.00 seconds\nIts log" in crashed.err
    deployed.busy = True
    busy = run("check", "--remote", *STAGE)
    assert (busy.code, busy.out) == (5, "")
    assert f"{NAME} is running already" in busy.err


def test_what_does_not_go_with_remote(deployed: Deployed, run: Run) -> None:
    """A database or a drain of one's own is wrong usage; a stage without the function is named."""
    for words in (("db", "upgrade", "--database-url", "postgresql://h/x"), ("check", "app.writes:drain")):
        ended = run(*words, "--remote", *STAGE)
        assert (ended.code, ended.out) == (2, "")
        assert "does not go with --remote" in ended.err
    deployed.outputs = {}
    missing = run("check", "--remote", *STAGE)
    assert missing.code == 1
    assert (
        "the stack shop-dev has no output MigrateFunctionName: declare it in `resources: Outputs`" in missing.err
    )


def test_idle_timeouts_are_set_by_the_function(deployed: Deployed, run: Run, empty_database: str) -> None:
    """The function sets them for its own role."""
    ended = run("db", "upgrade", "--remote", "--idle-timeouts", *STAGE)
    assert (ended.code, "idle_session_timeout = 5min" in ended.err) == (0, True)
    with psycopg.connect(empty_database) as connection:
        assert connection.execute("SELECT current_setting('idle_session_timeout')").fetchone() == ("5min",)
