"""The start of the command line imports only the modules of the named command."""

import subprocess
import sys

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


@pytest.mark.parametrize("words", [("--help",), ("top",)])
def test_only_a_running_top_needs_textual(words: tuple[str, ...]) -> None:
    """Textual takes half a second to import: neither the help nor any other command waits for it."""
    modules = imported(*words)
    assert "penstock.cli.top.command" in modules
    assert "textual" not in modules


@pytest.mark.parametrize("words", [(), ("--help",), ("dql",)])
def test_without_a_known_command_all_are_there(words: tuple[str, ...]) -> None:
    """Without a command, or with an unknown one, all commands can be listed or suggested."""
    commands = get_command(tree(words)).commands  # type: ignore[attr-defined]
    assert {"status", "audit", "dlq", "db", "local"} < commands.keys()
    assert {"stats", "replay", "purge"} < commands["dlq"].commands.keys()


def test_only_the_named_command_is_there() -> None:
    """The words of the command line select the command and, for dead letters, the subcommand."""
    (noun,) = get_command(tree(["dlq", "stats", "--json"])).commands.values()  # type: ignore[attr-defined]
    assert [*noun.commands] == ["stats"]
