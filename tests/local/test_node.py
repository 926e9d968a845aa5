"""Node and osls: the error for each missing tool."""

import json
import re
import shutil
import stat
from pathlib import Path

import pytest

from penstock.local import node
from penstock.local.errors import ToolError
from penstock.local.node import Osls
from tests.support.project import ROOT


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


@pytest.fixture
def osls(tmp_path: Path) -> Osls:
    """The osls of a project in `project`, with a place for the pinned one in `own`."""
    (tmp_path / "project").mkdir()
    return Osls(tmp_path / "project", tmp_path / "own")


# What npm writes, without npm.
NPM = f"""{shutil.which("mkdir")} -p node_modules/.bin; {shutil.which("cp")} package.json node_modules/was.json
echo 'echo' > node_modules/.bin/osls"""


def test_no_npm(path: Path, osls: Osls) -> None:
    """A missing npm is an error if osls is not installed."""
    with pytest.raises(ToolError, match="npm is needed"):
        osls.install()


@pytest.mark.parametrize("place", ["project", "."])
def test_installed_already(path: Path, tmp_path: Path, osls: Osls, place: str) -> None:
    """An osls in the project or in a folder above it needs no npm."""
    install(tmp_path / place, "node_modules/.bin/osls", "")
    osls.install()
    assert not (tmp_path / "own").exists()


def test_osls_of_the_lock_file(path: Path, tmp_path: Path, osls: Osls) -> None:
    """A project whose package-lock.json has osls gets that version, in its own folder."""
    install(path, "npm", NPM)
    (tmp_path / "project" / "package.json").write_text("the project's")
    (tmp_path / "project" / "package-lock.json").write_text('{"packages": {"node_modules/osls": {}}}')
    osls.install()
    assert (tmp_path / "project" / "node_modules" / "was.json").read_text() == "the project's"
    assert not (tmp_path / "own").exists()


def test_osls_of_penstock(path: Path, tmp_path: Path, osls: Osls) -> None:
    """A project without osls gets the pinned version in a folder of its own, once, and again after an upgrade."""
    install(path, "npm", f"{NPM}; echo run >> {tmp_path}/runs")
    (tmp_path / "project" / "package-lock.json").write_text("{}")
    osls.install()
    osls.install()
    assert (tmp_path / "runs").read_text() == "run\n"
    assert "osls" in json.loads((tmp_path / "own" / "node_modules" / "was.json").read_text())["dependencies"]
    assert [file.name for file in (tmp_path / "project").iterdir()] == ["package-lock.json"]
    (tmp_path / "own" / "pinned.sha256").write_text("another version")
    osls.install()
    assert (tmp_path / "runs").read_text() == "run\nrun\n"


def test_one_version_of_osls() -> None:
    """The pinned osls, with all that it needs, is the one that the shop is deployed with."""

    def versions(file: Path) -> dict[str, str]:
        packages = json.loads(file.read_text())["packages"]
        return {name: package["version"] for name, package in packages.items() if name}

    pinned = Path(node.__file__).parent / "osls" / "package-lock.json"
    assert versions(pinned).items() <= versions(ROOT / "package-lock.json").items()


def test_deploy_failure(path: Path, tmp_path: Path, osls: Osls) -> None:
    """The error of a failed deployment has the output of osls."""
    install(tmp_path, "project/node_modules/.bin/osls", "echo it did not work; exit 3")
    with pytest.raises(ToolError, match="it did not work"):
        osls.deploy(tmp_path, {})


def test_packaging_failure(path: Path, tmp_path: Path, osls: Osls) -> None:
    """The error of a refused serverless.yml has its path and what osls says about it."""
    install(
        tmp_path, "project/node_modules/.bin/osls", """echo 'Object notation for "service" property'; exit 1"""
    )
    with pytest.raises(ToolError, match=r"project/serverless\.yml cannot be packaged(.|\n)*\"service\" property"):
        osls.package(tmp_path / "package", {})


@pytest.mark.parametrize(
    ("output", "advice"),
    [
        ("The osls version (4.3.1) does not satisfy the frameworkVersion (3)", "npm install --save-dev osls@"),
        ("Cannot resolve variable at custom.x: Value not found at cf source", "params: {local: ...}"),
    ],
)
def test_advice(path: Path, tmp_path: Path, osls: Osls, output: str, advice: str) -> None:
    """An error of osls that does not say the way out gets it."""
    install(path, "npm", NPM)
    osls.install()
    install(tmp_path, "own/node_modules/.bin/osls", f"echo '{output}'; exit 1")
    with pytest.raises(ToolError) as refusal:
        osls.package(tmp_path / "package", {})
    assert output in str(refusal.value)
    assert advice in str(refusal.value)


def test_deploy_reaches_only_the_local_aws(
    path: Path, tmp_path: Path, osls: Osls, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A local deployment gets neither the user's AWS profile nor a proxy."""
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("https_proxy", "http://proxy.invalid")
    monkeypatch.setenv("NO_PROXY", "nothing")
    script = 'echo "$AWS_PROFILE$https_proxy$NO_PROXY:$AWS_ENDPOINT_URL"; exit 1'
    install(tmp_path, "project/node_modules/.bin/osls", script)
    with pytest.raises(ToolError, match=r"\n:http://here$"):
        osls.deploy(tmp_path, {"AWS_ENDPOINT_URL": "http://here"})


def test_own_settings_win(path: Path, tmp_path: Path, osls: Osls, monkeypatch: pytest.MonkeyPatch) -> None:
    """The local database wins over a PENSTOCK_DATABASE_URL of the user's environment."""
    monkeypatch.setenv("PENSTOCK_DATABASE_URL", "postgresql://production.invalid")
    install(tmp_path, "project/node_modules/.bin/osls", 'echo "$PENSTOCK_DATABASE_URL"; exit 1')
    with pytest.raises(ToolError, match=r"\npostgresql://here$"):
        osls.deploy(tmp_path, {"PENSTOCK_DATABASE_URL": "postgresql://here"})
