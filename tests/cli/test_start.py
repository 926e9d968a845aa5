"""How the command line starts: with what its words ask for, and no more."""

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
    """Return all modules that a command needs to start."""
    done = subprocess.run([sys.executable, "-c", IMPORTED, *words], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("verb", ["stats", "list", "show"])
def test_a_look_at_dead_letters_starts_without_a_database(verb: str) -> None:
    """Who only looks does not wait for what speaks to Postgres, nor for the drain."""
    modules = imported("dlq", verb)
    assert "penstock.cli.dlq.inspect" in modules
    assert not modules & {"sqlalchemy", "psycopg", "penstock.consumer.drain", "penstock.cli.dlq.replay"}


def test_a_replay_starts_without_the_drain() -> None:
    """Who replays waits for the drain only with --trial or --edit."""
    modules = imported("dlq", "replay")
    assert "sqlalchemy" in modules
    assert "penstock.consumer.drain" not in modules


@pytest.mark.parametrize("words", [(), ("--help",), ("dql",)])
def test_who_names_no_command_is_shown_all(words: tuple[str, ...]) -> None:
    """Without a command, or with one that there is not, all of them are there to be listed or suggested."""
    commands = get_command(tree(words)).commands  # type: ignore[attr-defined]
    assert {"status", "audit", "dlq", "db", "local"} < commands.keys()
    assert {"stats", "replay", "purge"} < commands["dlq"].commands.keys()


def test_only_the_named_command_is_there() -> None:
    """The words of the command line choose the noun and, of dead letters, the verb."""
    (noun,) = get_command(tree(["dlq", "stats", "--json"])).commands.values()  # type: ignore[attr-defined]
    assert [*noun.commands] == ["stats"]
