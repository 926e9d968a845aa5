"""The documentation and the program say the same: every command and option is written down, and no other."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from typer.main import get_command

from penstock.cli import app
from penstock.cli.support import errors as failure
from penstock.deadletters import Origin, ReplayOutcome
from penstock.deadletters.replay.copy import NO_GROUP, PAYLOAD_IN_BUCKET, CopyOutcome
from penstock.deadletters.replay.plan import EDIT_REFUSED, NO_ROOM_FOR_MARKER, REPLAYED_TOO_OFTEN
from penstock.deadletters.replay.replay import REPLAYED_ALREADY
from penstock.testing import MemoryQueue
from tests.support.dead_letters import letter
from tests.support.project import ROOT

PAGES = [page.read_text() for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))]
TEXT = "\n".join(PAGES)
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()
NO_CALLS = {"penstock receipt"}
"""Words that a signature is made over."""

COMMON = {"--stage", "--service", "--region", "--profile", "--endpoint-url", "--help"}


def tree(command: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Walk through all commands, with the words that call each."""
    yield words, command
    for name, inner in getattr(command, "commands", {}).items():
        yield from tree(inner, (*words, name))


COMMANDS = dict(tree(get_command(app.tree())))
LEAVES = {words: command for words, command in COMMANDS.items() if not getattr(command, "commands", None)}


def options(command: Any) -> set[str]:
    """Return a command's long options."""
    found = (one for one in command.params if one.param_type_name == "option")
    return {name for one in found for name in (*one.opts, *one.secondary_opts) if name.startswith("--")}


def calls() -> Iterator[tuple[str, list[str]]]:
    """Find each call of the program in the pages: the text that it is in, and what is written after `penstock`."""
    blocks = re.findall(r"```(?:console|sh|bash)\n(.*?)```", TEXT, re.DOTALL)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    inline = [text for text in re.findall(r"`([^`\n]+)`", TEXT) if text not in NO_CALLS]
    for text in [*lines, *inline]:
        for call in re.findall(r"(?:^|[\s/(])penstock ([a-z][^|;&#)>]*)", text):
            yield text, call.split()


def called(words: list[str]) -> tuple[tuple[str, ...], list[str]]:
    """Return the command that words call, as far as there is one, and the words after it."""
    known = next(n for n in range(len(words), -1, -1) if tuple(words[:n]) in COMMANDS)
    return tuple(words[:known]), words[known:]


def given(words: list[str]) -> set[str]:
    """Return the options among words."""
    return {word.split("=")[0].rstrip(".,:") for word in words if re.match("--[a-z]", word)}


@pytest.mark.parametrize("words", LEAVES, ids=" ".join)
def test_every_command_and_option_is_written_down(words: tuple[str, ...]) -> None:
    """Pages name it as it is called, and with it each of its options."""
    pages = "\n".join(page for page in PAGES if re.search(rf"penstock {' '.join(words)}\b", page))
    assert pages
    assert {one for one in options(LEAVES[words]) - COMMON if not re.search(rf"{one}\b", pages)} == set()


def test_every_command_that_is_mentioned_exists() -> None:
    """With the options that it is mentioned with."""
    found = list(calls())
    for text, words in found:
        path, rest = called(words)
        assert path, text
        assert path in LEAVES or not rest or not re.fullmatch("[a-z]+", rest[0]), text
        assert given(rest) <= options(COMMANDS[path]) | COMMON | {"--debug", "--version"}, text
    assert len(found) > 40


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_has_help_with_an_example(words: tuple[str, ...]) -> None:
    """What it does and how it is called: each example is a call of it, or of what is in it."""
    command = COMMANDS[words]
    assert command.help
    epilog = re.split(r"Exit codes:", command.epilog or "")[0]
    assert "Example" in epilog
    for example in epilog.split("·"):
        for call in re.findall(r"penstock ([a-z][^|>]*)", example):
            path, rest = called(call.rstrip(". ").split())
            assert path[: len(words)] == words, call
            assert given(rest) <= options(COMMANDS[path]) | COMMON, call


def test_every_option_has_help() -> None:
    """No option of any command is without a word on what it does."""
    silent = [
        (*words, one.name)
        for words, command in COMMANDS.items()
        for one in command.params
        if one.param_type_name == "option" and not one.help
    ]
    assert silent == []


@pytest.mark.parametrize("words", [words for words in LEAVES if words[0] == "dlq"], ids=" ".join)
def test_the_page_of_operations_has_every_option(words: tuple[str, ...]) -> None:
    """Of the commands about dead letters it names each, with all options."""
    assert f"`penstock {' '.join(words)}`" in OPERATIONS
    assert {one for one in options(LEAVES[words]) - {"--help"} if f"`{one}" not in OPERATIONS} == set()


def test_the_words_of_the_page_are_the_programs() -> None:
    """Exit codes, words for outcomes and for causes are those of the program."""
    codes = {value for name, value in vars(failure).items() if name.isupper()}
    written = re.findall(r"\d+", " ".join(re.findall(r"^\| ([\d, ]+) \|", OPERATIONS, re.MULTILINE)))
    assert set(map(int, written)) == codes | {0, 129, 130, 143}
    words = [*ReplayOutcome, *Origin, CopyOutcome.NOT_COPIED, PAYLOAD_IN_BUCKET, NO_GROUP]
    words += [REPLAYED_ALREADY, REPLAYED_TOO_OFTEN, NO_ROOM_FOR_MARKER, EDIT_REFUSED]
    assert [word for word in words if f"`{word}`" not in OPERATIONS] == []


def test_the_snippet_replays_what_it_selects() -> None:
    """The code of the page counts the causes, sends the selected and leaves the others."""
    (code,) = re.findall(r"```python\n(.*?)```", OPERATIONS, re.DOTALL)
    page: dict[str, Any] = {}
    exec(code, page)  # noqa: S102
    dead, main = MemoryQueue(), MemoryQueue()
    dead.send([letter(1, type="order.placed"), letter(2, type="order.placed"), letter(3)])
    causes, replayed, failed = page["replay_refused_orders"](dead, main, dead.clock())
    assert ([cause.count for cause in causes], replayed, failed) == ([2], 2, 0)
    assert [body["type"] for body in dead.bodies] == ["stock.adjusted"]
