"""Node and osls: the error for each missing tool."""

import re
import stat
from pathlib import Path

import pytest

from penstock.local import node
from penstock.local.errors import ToolError


def install(folder: Path, name: str, script: str) -> None:
    program = folder / name
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is the whole PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


@pytest.mark.parametrize("version", ["v20.19.0", "v20.20.2", "v22.1.0", "v100.0.0"])
def test_new_enough(path: Path, version: str) -> None:
    """A version of Node that osls supports passes."""
    install(path, "node", f"echo {version}")
    node.check_node()


@pytest.mark.parametrize("version", ["v20.18.9", "v18.20.0", "v9.0.0", "", "nonsense"])
def test_too_old(path: Path, version: str) -> None:
    """An older or broken Node is an error of one line, with the required and the found version."""
    install(path, "node", f"echo {version}")
    with pytest.raises(ToolError, match=re.escape(version or "no version")) as refusal:
        node.check_node()
    assert "20.19" in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_no_node(path: Path) -> None:
    """A missing Node is an error of one line."""
    with pytest.raises(ToolError, match=r"Node 20\.19 or newer is needed") as refusal:
        node.check_node()
    assert "\n" not in str(refusal.value)


def test_no_npm(path: Path, tmp_path: Path) -> None:
    """A missing npm is an error if osls is not installed."""
    with pytest.raises(ToolError, match="npm is needed"):
        node.install_osls(tmp_path)


def test_installed_already(path: Path, tmp_path: Path) -> None:
    """An installed osls needs no npm."""
    install(tmp_path, "node_modules/.bin/osls", "")
    node.install_osls(tmp_path)


def test_deploy_failure(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error of a failed deployment has the output of osls."""
    install(tmp_path, "node_modules/.bin/osls", "echo it did not work; exit 3")
    with pytest.raises(ToolError, match="it did not work"):
        node.deploy(tmp_path, {})


def test_deploy_reaches_only_the_local_aws(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A local deployment gets neither the user's AWS profile nor a proxy."""
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("https_proxy", "http://proxy.invalid")
    monkeypatch.setenv("NO_PROXY", "nothing")
    script = 'echo "$AWS_PROFILE$https_proxy$NO_PROXY:$AWS_ENDPOINT_URL"; exit 1'
    install(tmp_path, "node_modules/.bin/osls", script)
    with pytest.raises(ToolError, match=r"\n:http://here$"):
        node.deploy(tmp_path, {"AWS_ENDPOINT_URL": "http://here"})
