"""The fenced blocks of the documentation: what language they are in, which file they are, and which never run."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from textwrap import dedent
from typing import Any

from typer.main import get_command

from penstock.cli import app
from tests.support.project import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
"""All pages that users read."""

_BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_NOT_RUN = re.compile(r"<!-- not run: (.+) -->\s*$")
_FILE = re.compile(r"\(`([\w/]+\.py)`\)")
_PUNCTUATION = "|;&<>()"


@dataclass(frozen=True)
class Snippet:
    """A fenced block.

    Attributes:
        page: the page, from the repository's root.
        line: the line on which it begins.
        language: the word after the fence.
        code: the text.
        file: the file that the text before it names in brackets, if it is one.
        not_run: why it never runs, from a comment before it.
    """

    page: str
    line: int
    language: str
    code: str
    file: str | None
    not_run: str | None

    @property
    def place(self) -> str:
        """Where it is, for messages."""
        return f"{self.page}:{self.line}"


def snippets(*languages: str) -> list[Snippet]:
    """Return the blocks of all pages in these languages, or in any."""
    found = [one for page in PAGES for one in _snippets_of(str(page.relative_to(ROOT)), page.read_text())]
    return [one for one in found if not languages or one.language in languages]


def _snippets_of(page: str, text: str) -> Iterator[Snippet]:
    end = 0
    for block in _BLOCK.finditer(text):
        before = text[end : block.start()]
        files = _FILE.findall(before.rpartition("\n#")[2])
        reason = _NOT_RUN.search(before)
        yield Snippet(
            page=page,
            line=text.count("\n", 0, block.start()) + 1,
            language=block[2],
            code=dedent(block[3]),
            file=files[-1] if files else None,
            not_run=reason[1] if reason else None,
        )
        end = block.end()


def calls(snippet: Snippet) -> Iterator[list[str]]:
    """Yield the words of each command in a block; of a console's, only what is typed after a dollar sign."""
    lines = snippet.code.replace("\\\n", " ").splitlines()
    if snippet.language == "console":
        lines = [line[2:] for line in lines if line.startswith("$ ")]
    for line in lines:
        yield from _commands(line)


def _commands(line: str) -> Iterator[list[str]]:
    """Cut a line at pipes and redirections, without comments."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=_PUNCTUATION)
    lexer.whitespace_split = True
    command: list[str] = []
    for word in [*lexer, "|"]:
        if word.strip(_PUNCTUATION):
            command.append(word)
        elif command:
            yield command
            command = []


def parse_call(words: list[str]) -> None:
    """Parse a call of `penstock` as the program does, without running it.

    Raises:
        Exception: there is no such command or option, or a value is missing or wrong.
    """
    command: Any = _program()
    while words and not words[0].startswith("-") and hasattr(command, "commands"):
        command, words = command.commands[words[0]], words[1:]
    command.make_context(command.name, words)


@cache
def _program() -> Any:
    return get_command(app.tree())
