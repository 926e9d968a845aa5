"""The page about watching a service does what it says."""

import re
import shlex
from typing import Any

import psycopg
import pytest
from sqlalchemy import make_url
from typer.main import get_command

from penstock.audit.reconcile import Discrepancy
from penstock.cli.app import tree
from tests.support.project import ROOT

PAGE = (ROOT / "docs" / "watching.md").read_text()


def test_every_command_of_the_page_exists() -> None:
    """Each `$ penstock` line of the page is an existing command with existing options."""
    lines = re.findall(r"^\$ penstock (.*)", PAGE, re.MULTILINE)
    assert len(lines) >= 6
    for line in lines:
        command, words = get_command(tree()), shlex.split(line)
        while words and words[0] in getattr(command, "commands", {}):
            command = command.commands[words.pop(0)]  # type: ignore[attr-defined]
        known = {name for parameter in command.params for name in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= known


def test_every_verdict_is_explained() -> None:
    """The page has a row for each verdict of the audit, and for no other word."""
    table = PAGE.split("| word |")[1].split("\n\n")[0]
    assert set(re.findall(r"^\| `(\w+)`", table, re.MULTILINE)) == set(Discrepancy)


def test_the_snippet_of_the_page_runs(database_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The page's code reads the figures with a role that may only read."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS watcher")
        connection.execute("CREATE ROLE watcher LOGIN PASSWORD 'watcher'")
        connection.execute("GRANT USAGE ON SCHEMA penstock TO watcher")
        connection.execute(
            "GRANT SELECT ON penstock.ledger, penstock.ledger_past, penstock.hold, penstock.held TO watcher"
        )
    url = make_url(database_url).set(username="watcher", password="watcher").render_as_string(False)
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(code.replace("postgresql://…", url), "watching.md", "exec"), names)  # noqa: S102
    names["engine"].dispose()
    assert capsys.readouterr().out == "0.0 None []\n"
