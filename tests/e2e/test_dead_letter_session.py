"""The session of docs/operations.md, on the deployed service: what breaks is found, mended and replayed."""

import json
import os
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from penstock.local import state
from penstock.local.state import LocalState
from tests.support.cli_stack import PROGRAM
from tests.support.deployed import eventually, page_view, rows
from tests.support.project import ROOT

pytestmark = [pytest.mark.xdist_group("deployment"), pytest.mark.timeout(300)]


@contextmanager
def broken(live: LocalState, path: str) -> Iterator[None]:
    """Have the database refuse page views of a path."""
    with psycopg.connect(live.database_url, autocommit=True) as connection:
        statement = f"ALTER TABLE page_views ADD CONSTRAINT no_pricing CHECK (path <> '{path}') NOT VALID"
        connection.execute(statement.encode())
        try:
            yield
        finally:
            connection.execute("ALTER TABLE page_views DROP CONSTRAINT no_pricing")


def test_a_night(live: LocalState, api: httpx.Client, tmp_path: Path) -> None:
    """Counted by cause, tried out in vain, mended, tried out, a canary, the rest: every request has its row."""
    (tmp_path / "serverless.yml").write_text("service: shop\n")
    (tmp_path / state.FOLDER).mkdir()
    state.write(tmp_path / state.FOLDER, live)

    def penstock(*words: str, code: int = 0) -> list[dict[str, Any]]:
        done = subprocess.run(
            [PROGRAM, "dlq", *words, "--json"],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert done.returncode == code, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    path = f"/pricing-{uuid.uuid4()}"
    meant = ("--where", f"data.path == '{path}'")
    with broken(live, path):
        ids = {api.post("/page-views", json=page_view(path=path)).json()["id"] for _ in range(6)}
        assert eventually(lambda: sum(row["count"] for row in penstock("stats", *meant)) == 6)
        (cause,) = penstock("stats", *meant)
        assert "no_pricing" in cause["detail"]
        shown = penstock("list", *meant, "--fingerprint", cause["fingerprint"])
        assert {row["id"] for row in shown} == ids
        tried = penstock("replay", *meant, "--limit", "2", "--trial", code=1)
        assert [row["would"] for row in tried] == ["dead", "dead"]
        lost = penstock("replay", *meant, "--canary", "1", code=1)
        assert [row["outcome"] for row in lost] == ["replayed"]
        assert eventually(lambda: sum(row["count"] for row in penstock("stats", *meant)) == 6)
    assert [row["would"] for row in penstock("replay", *meant, "--trial")] == ["applied"] * 6
    done = penstock("replay", "--fingerprint", cause["fingerprint"], *meant, "--canary", "2")
    assert {row["id"]: row["outcome"] for row in done} == dict.fromkeys(ids, "replayed")
    assert eventually(lambda: len(rows(live, path)) == 6)
    assert penstock("stats", *meant, "--check") == []
