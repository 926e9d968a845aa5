"""The entry points of the functions that every service deploys as they are."""

import json
import subprocess
import sys
from importlib import import_module

import pytest

from consumer.writes import drain
from penstock.functions.service import load_drain
from penstock.settings import SettingsError
from tests.support.project import ROOT

ENTRY_POINTS = ("dead_letters", "drain", "events", "migrate", "probe", "prune", "writes")


def start(name: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Import an entry point in a process of its own, as Lambda does."""
    code = (
        f"import penstock.functions.{name} as one, logging; print(callable(one.handler)); "
        "logging.getLogger('penstock').warning('hello', extra={'action': 'a'})"
    )
    given = {"PATH": "/usr/bin", "POWERTOOLS_SERVICE_NAME": "shop"} | environment
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=ROOT, env=given, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", ENTRY_POINTS)
def test_entry_point(name: str) -> None:
    """Each has a handler without any setting but the name, and Penstock logs JSON with its context."""
    done = start(name)
    assert done.returncode == 0, done.stderr
    handler, line = done.stdout.splitlines()
    assert handler == "True"
    assert json.loads(line)["action"] == "a"


def test_missing_drain() -> None:
    """`PENSTOCK_DRAIN` names the drain, and a module that is not there is an error of the start that names it."""
    done = start("drain", PENSTOCK_DRAIN="app.writes:drain")
    assert done.returncode != 0
    assert "app.writes:drain: there is no module 'app.writes' in the artifact" in done.stderr


@pytest.mark.parametrize("target", ["consumer.writes", "consumer.writes:", ":drain", "consumer.tables:stock", ""])
def test_no_drain(target: str) -> None:
    """What is no drain is refused, with what to name instead."""
    with pytest.raises(SettingsError, match="name the"):
        load_drain(target)


def test_own_drain() -> None:
    """The drain of the entry point is the service's own."""
    assert import_module("penstock.functions.drain").handler.__self__ is drain


def test_the_probe_tells_the_hooks_of_the_drain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its hooks are those of the drain that the environment names, imported when there is something to tell."""
    monkeypatch.setenv("PENSTOCK_DRAIN", "app.writes:drain")
    probe = import_module("penstock.functions.probe").handler.__self__
    with pytest.raises(SettingsError, match=r"app\.writes"):
        probe.hooks()
    monkeypatch.setenv("PENSTOCK_DRAIN", "consumer.writes:drain")
    assert probe.hooks() is drain.hooks
