"""`penstock local`: data on stdout, messages on stderr, errors in one line."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from penstock.cli.commands.local import app
from penstock.cli.support.errors import Failure

run = CliRunner().invoke


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a project that was never started, as the current folder."""
    (tmp_path / "serverless.yml").write_text("service: shop\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_status_of_nothing(project: Path) -> None:
    """The status of a stack that was never started has all keys, and the command starts and creates nothing."""
    done = run(app, ["status", "--json"])
    assert done.exit_code == 0
    status = json.loads(done.stdout)
    assert status["postgres"] is status["aws"] is status["deployed"] is False
    assert status["api_url"] is status["database_url"] is None
    assert [file.name for file in project.iterdir()] == ["serverless.yml"]


def test_status_for_people(project: Path) -> None:
    """Without --json there is one line for each fact."""
    lines = run(app, ["status"]).stdout.splitlines()
    assert lines[0].split() == ["postgres:", "no"]
    assert lines[-1].split() == ["database_url:", "-"]


@pytest.mark.parametrize("command", ["down", "reset"])
def test_nothing_to_stop(project: Path, command: str) -> None:
    """Stopping a stack that does not run is not an error, and prints nothing on stdout."""
    done = run(app, [command])
    assert done.exit_code == 0
    assert done.stdout == ""


@pytest.mark.parametrize("command", ["logs", "psql"])
def test_what_needs_a_running_stack(project: Path, command: str) -> None:
    """Without a running stack, its logs and its database are an error with the way out."""
    done = run(app, [command])
    assert isinstance(done.exception, Failure)
    assert "penstock local up" in str(done.exception)


@pytest.mark.parametrize("command", ["up", "down", "status", "logs", "psql", "reset"])
def test_no_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    """Outside a project every command fails and names serverless.yml."""
    monkeypatch.chdir(tmp_path)
    done = run(app, [command])
    assert isinstance(done.exception, Failure)
    assert "serverless.yml" in str(done.exception)


def test_no_node(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Node, `up` fails in one line and starts nothing."""
    monkeypatch.setenv("PATH", str(project))
    done = run(app, ["up"])
    assert isinstance(done.exception, Failure)
    assert "Node 20.19" in str(done.exception)
    assert not (project / ".penstock").exists()


@pytest.mark.parametrize("command", ["up", "down", "status", "logs", "psql", "reset"])
def test_help(command: str) -> None:
    """Every command has help with an example."""
    assert "Example" in run(app, [command, "--help"]).stdout
