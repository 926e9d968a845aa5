"""The session of docs/operations.md on the deployed service: find, fix and replay dead letters."""

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
from tests.support.cli_stack import Run
from tests.support.deployed import accepted, eventually, page_view, rows
from tests.support.project import ROOT

pytestmark = [pytest.mark.xdist_group("deployment"), pytest.mark.timeout(300)]


@contextmanager
def constraint_on(live: LocalState, path: str) -> Iterator[None]:
    """Make the database refuse page views of one path while the block runs."""
    with psycopg.connect(live.database_url, autocommit=True) as connection:
        statement = f"ALTER TABLE page_views ADD CONSTRAINT no_pricing CHECK (path <> '{path}') NOT VALID"
        connection.execute(statement.encode())
        try:
            yield
        finally:
            connection.execute("ALTER TABLE page_views DROP CONSTRAINT no_pricing")


@pytest.mark.usefixtures("short_polls")
def test_session(
    live: LocalState, api: httpx.Client, folder: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stats, list, trial, canary and replay find, fix and replay dead letters, and every request has its row."""
    monkeypatch.syspath_prepend(str(ROOT))
    (folder / "serverless.yml").write_text("service: shop\n")
    (folder / state.FOLDER).mkdir()
    state.write(folder / state.FOLDER, live)

    def penstock(*words: str, code: int = 0) -> list[dict[str, Any]]:
        ended = run("dlq", *words, "--json")
        assert ended.code == code, ended.err
        return ended.rows

    path = f"/pricing-{uuid.uuid4()}"
    selected = ("--where", f"data.path == '{path}'")
    with constraint_on(live, path):
        ids = {accepted(api.post("/page-views", json=page_view(path=path))).json()["id"] for _ in range(6)}
        assert eventually(lambda: sum(row["count"] for row in penstock("stats", *selected)) == 6)
        (cause,) = penstock("stats", *selected)
        assert "no_pricing" in cause["detail"]
        listed = penstock("list", *selected, "--fingerprint", cause["fingerprint"])
        assert {row["id"] for row in listed} == ids
        trial = penstock("replay", *selected, "--limit", "2", "--trial", code=1)
        assert [row["would"] for row in trial] == ["dead", "dead"]
        failed = penstock("replay", *selected, "--canary", "1", code=1)
        assert [row["outcome"] for row in failed] == ["replayed"]
        assert eventually(lambda: sum(row["count"] for row in penstock("stats", *selected)) == 6)
    assert [row["would"] for row in penstock("replay", *selected, "--trial")] == ["applied"] * 6
    done = penstock("replay", "--fingerprint", cause["fingerprint"], *selected, "--canary", "2")
    assert {row["id"]: row["outcome"] for row in done} == dict.fromkeys(ids, "replayed")
    assert eventually(lambda: len(rows(live, path)) == 6)
    assert penstock("stats", *selected, "--check") == []
