"""The start of the command line imports only the modules of the named command."""

import subprocess
import sys
from inspect import cleandoc
from typing import Any

import pytest
from typer.main import get_command

from penstock.cli.app import tree

IMPORTED = """
import sys
from typer.main import get_command
from penstock.cli.app import tree
get_command(tree(sys.argv[1:]))
print(*sys.modules)
"""


def imported(*words: str) -> set[str]:
    """Return the names of all modules that a command imports at its start."""
    done = subprocess.run([sys.executable, "-c", IMPORTED, *words], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("verb", ["stats", "list", "show"])
def test_a_look_at_dead_letters_starts_without_a_database(verb: str) -> None:
    """The commands that only read dead letters import neither a Postgres driver nor the drain."""
    modules = imported("dlq", verb)
    assert "penstock.cli.dlq.inspect" in modules
    assert not modules & {"sqlalchemy", "psycopg", "penstock.consumer.drain", "penstock.cli.dlq.replay"}


def test_a_replay_starts_without_the_drain() -> None:
    """A replay imports the drain only with --trial or --edit."""
    modules = imported("dlq", "replay")
    assert "sqlalchemy" in modules
    assert "penstock.consumer.drain" not in modules


def test_only_a_running_top_needs_textual() -> None:
    """Textual takes half a second to import: neither the help of `top` nor any other command waits for it."""
    modules = imported("top")
    assert "penstock.cli.top.command" in modules
    assert "textual" not in modules


@pytest.mark.parametrize("words", [(), ("--help",), ("dlq",), ("dlq", "--help"), ("dql",)])
def test_a_list_of_commands_imports_none_of_them(words: tuple[str, ...]) -> None:
    """The help of `penstock` and of `penstock dlq`, and an unknown command, load no module of a command."""
    modules = imported(*words)
    assert not modules & {"sqlalchemy", "alembic", "boto3", "pydantic", "yaml", "penstock.project.config"}
    inside = {name for name in modules if name.startswith("penstock.cli.")}
    assert {name.split(".")[2] for name in inside} <= {"app", "support", "dlq"}
    assert not {name for name in inside if name.startswith("penstock.cli.dlq.")}


@pytest.mark.parametrize("words", [(), ("dlq",)])
def test_the_list_is_that_of_the_commands(words: tuple[str, ...]) -> None:
    """The help lists every command in the order of the whole tree, with the first paragraph of its own help."""
    whole, outline = get_command(tree()), get_command(tree(words))
    for word in words:
        whole, outline = whole.commands[word], outline.commands[word]  # type: ignore[attr-defined]
    listed, own = (
        [(name, _summary(one)) for name, one in group.commands.items()]  # type: ignore[attr-defined]
        for group in (outline, whole)
    )
    assert listed == own


def _summary(command: Any) -> str:
    return cleandoc(command.help).split("\n\n")[0].replace("\n", " ")


@pytest.mark.parametrize("words", [("--", "dlq", "stats"), ("--unknown", "dlq", "stats")])
def test_a_command_behind_an_option_is_there(words: tuple[str, ...]) -> None:
    """A word that is a command can be run wherever it stands: then the tree is whole."""
    commands = get_command(tree(words)).commands  # type: ignore[attr-defined]
    assert {"status", "audit", "dlq", "db", "local"} < commands.keys()
    assert {"stats", "replay", "purge"} < commands["dlq"].commands.keys()


def test_only_the_named_command_is_there() -> None:
    """The words of the command line select the command and, for dead letters, the subcommand."""
    (noun,) = get_command(tree(["dlq", "stats", "--json"])).commands.values()  # type: ignore[attr-defined]
    assert [*noun.commands] == ["stats"]
