"""`penstock db upgrade`, `check` and `audit` with `--remote`, against the deployed function `migrate`."""

import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from penstock.local import state
from penstock.local.state import LocalState
from tests.support.cli_stack import PROGRAM
from tests.support.deployed import aws

pytestmark = [pytest.mark.xdist_group("deployment"), pytest.mark.timeout(300)]

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def penstock(live: LocalState, tmp_path: Path) -> Command:
    """The command, in a folder where the stack is recorded, but without its database, code or migrations."""
    (tmp_path / "serverless.yml").write_text(f"service: {live.service}\n")
    (tmp_path / state.FOLDER).mkdir()
    state.write(tmp_path / state.FOLDER, replace(live, database_url="postgresql://127.0.0.1:1/none"))

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [PROGRAM, *words],
            cwd=tmp_path,
            env=os.environ,
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )

    return run


def test_migrations_and_check(live: LocalState, penstock: Command) -> None:
    """The deployed function applies the deployed migration that is missing, and checks the deployed drain."""
    assert penstock("db", "upgrade").returncode == 1
    with psycopg.connect(live.database_url, autocommit=True) as connection:
        connection.execute("DROP TABLE penstock.held, penstock.hold, penstock.outbox")
        connection.execute("UPDATE penstock.alembic_version SET version_num = '0006'")
    missing = penstock("check", "--remote")
    assert missing.returncode == 1
    revisions = ["0007", "0008", "0009", "0010"]
    assert (
        f"Penstock's own migrations {', '.join(revisions)} are not applied\trun `penstock db upgrade`"
        in missing.stdout
    )
    for printed in ("".join(f'{{"revision": "penstock {one}"}}\n' for one in revisions), ""):
        done = penstock("db", "upgrade", "--remote", "--json")
        assert (done.returncode, done.stdout) == (0, printed), done.stderr
    checked = penstock("check", "--remote", "--json")
    assert checked.returncode == 0, checked.stderr
    lines = [json.loads(line) for line in checked.stdout.splitlines()]
    assert {"verdict": "ok", "kind": "stock.adjusted"} in lines


def test_audit(penstock: Command) -> None:
    """The deployed function reads the ledger, which this machine cannot reach."""
    assert penstock("audit").returncode == 1
    audited = penstock("audit", "--remote", "--json")
    assert audited.returncode == 0, audited.stderr
    assert json.loads(audited.stdout.splitlines()[-1])["emitted"] >= 0


def test_an_empty_event(live: LocalState) -> None:
    """An empty event, which a pipeline sends, runs both."""
    invoked = aws(live, "lambda").invoke(FunctionName=f"{live.service}-local-migrate", Payload=b"{}")
    answer = json.loads(invoked["Payload"].read())
    assert answer["applied"] == []
    assert "page.viewed" in answer["kinds"]
