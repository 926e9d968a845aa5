"""Where the parts of a service are: options go before the environment, the environment before [tool.penstock]."""

import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from penstock.cli.support.service import find_migrations
from tests.support.cli_stack import Run

INTENTS = "from penstock import WriteIntent\nclass {0}(WriteIntent, kind='{1}'):\n    x: int\n"
DRAIN = "from penstock.consumer import Drain\ndrain = Drain()\n"


@pytest.fixture
def package(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of a package of intents and drains that [tool.penstock] names, in a folder with other names."""
    name = f"farm_{uuid4().hex}"
    monkeypatch.setattr(sys, "path", [*sys.path])
    (folder / name).mkdir()
    for module, text in {
        "__init__": "",
        "one": INTENTS.format("Sown", "sown"),
        "two": INTENTS.format("Mown", "mown"),
        "other": INTENTS.format("Shorn", "shorn"),
        "writes": DRAIN,
    }.items():
        (folder / name / f"{module}.py").write_text(text)
    (folder / "pyproject.toml").write_text(
        f'[tool.penstock]\nintents = ["{name}.one", "{name}.two"]\ndrain = "{name}.writes:drain"\n'
        'migrations = "db"\n'
    )
    for place in ("db", "given", "environment"):
        (folder / place).mkdir()
    yield name
    for module in [module for module in sys.modules if module.startswith(name)]:
        del sys.modules[module]


def test_intents(package: str, run: Run) -> None:
    """Commands read all modules of [tool.penstock], or else those of --module."""
    assert {row["kind"] for row in run("intents", "list", "--json").rows} == {"sown", "mown"}
    words = ("intents", "list", "--module", f"{package}.other", "--module", f"{package}.one", "--json")
    assert {row["kind"] for row in run(*words).rows} == {"shorn", "sown"}
    emitted = run("emit", "mown", "--data", '{"x": 1}', "--dry-run")
    assert (emitted.code, emitted.err) == (0, "1 good, 0 bad\n")


def test_the_drain(package: str, run: Run) -> None:
    """Commands import the drain of [tool.penstock]; an error says where to name another one."""
    database = ("--database-url", "postgresql://u@127.0.0.1:1/x")
    assert "the drain of [tool.penstock] writes nothing" in run("check", *database).err
    ended = run("check", f"{package}.nowhere:drain", *database)
    assert (ended.code, "write `drain` under [tool.penstock]" in ended.err) == (2, True)


def test_migrations(package: str, folder: Path) -> None:
    """The folder of migrations is the given one, or else that of [tool.penstock]."""
    assert find_migrations(None) == folder / "db"
    assert find_migrations(folder / "given") == folder / "given"


def test_migrations_of_the_environment(
    package: str, folder: Path, run: Run, empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PENSTOCK_MIGRATIONS goes before [tool.penstock], and --migrations before both."""
    for place in ("db", "given", "environment"):
        (folder / place / "versions").mkdir()
        text = f'revision, down_revision = "{place}", None\ndef upgrade(): pass\n'
        (folder / place / "versions" / "0001.py").write_text(text)
    monkeypatch.setenv("PENSTOCK_MIGRATIONS", "environment")
    assert "service environment" in run("db", "upgrade", "--database-url", empty_database).out
    remote = run("db", "upgrade", "--remote", "--stage", "dev")
    assert (remote.code, "does not go with --remote" in remote.err) == (2, True)
    given = run("db", "upgrade", "--database-url", empty_database, "--migrations", "given")
    assert (given.code, "revision environment" in given.err) == (5, True)


def test_a_mistake_in_the_configuration(folder: Path, run: Run) -> None:
    """A mistake is wrong usage of every command that reads the configuration."""
    (folder / "pyproject.toml").write_text("[tool.penstock]\nintent = []\n")
    (folder / "serverless.yml").touch()
    for words in (
        ["intents", "list"],
        ["check", "--database-url", "postgresql://u@127.0.0.1:1/x"],
        ["build"],
        ["local", "status"],
    ):
        ended = run(*words)
        assert (ended.code, "[tool.penstock] has no key intent: write intents" in ended.err) == (2, True), words
