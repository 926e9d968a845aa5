"""Confirmation before a command changes something."""

import select
import sys
from typing import Final

import typer

from penstock.cli.support.errors import CONFIRMATION, Failure

_DECLINED: Final = "not confirmed; nothing was done"
_POLL_SECONDS: Final = 0.1


def confirm(question: str, *, yes: bool, no_input: bool, needs: str) -> None:
    """Ask a yes-or-no question, unless --yes was given.

    Args:
        question: the question.
        yes: whether --yes was given.
        no_input: whether --no-input was given.
        needs: what is to be confirmed, as the subject of the error if there is no terminal to ask on.

    Raises:
        Failure: the answer is no, or the question cannot be asked.
    """
    if not yes and _ask(f"{question} [y/N]: ", needs, no_input=no_input).lower() not in {"y", "yes"}:
        raise Failure(_DECLINED, CONFIRMATION)


def confirm_by_typing(word: str, question: str, *, yes: bool, no_input: bool, needs: str) -> None:
    """Ask the operator to type a word, unless --yes was given.

    Args:
        word: the word to type.
        question: the text before the prompt.
        yes: whether --yes was given.
        no_input: whether --no-input was given.
        needs: what is to be confirmed, as the subject of the error if there is no terminal to ask on.

    Raises:
        Failure: another word was typed, or the question cannot be asked.
    """
    if not yes and _ask(f"{question}\nType {word} to go on: ", needs, no_input=no_input) != word:
        raise Failure(_DECLINED, CONFIRMATION)


def can_ask() -> bool:
    """Return whether there is a terminal to ask on."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def _ask(prompt: str, needs: str, *, no_input: bool) -> str:
    """Read a line from the terminal; the end of the input counts as an empty line.

    Click's prompts turn Ctrl-C into a no. Here it stays an interrupt.

    Raises:
        Failure: there is no terminal, or --no-input was given.
    """
    if no_input or not can_ask():
        raise Failure(f"{needs} needs --yes without a terminal or with --no-input; nothing was done", CONFIRMATION)
    typer.echo(prompt, err=True, nl=False)
    _wait_for_line()
    return sys.stdin.readline().strip()


def _wait_for_line() -> None:
    """Wait until the terminal has a line, in short turns.

    Python acts on a signal between two instructions. One that comes just before a blocking read would wait for the
    line, too.
    """
    if sys.platform != "win32":  # Its `select` is for sockets.
        while not select.select([sys.stdin], [], [], _POLL_SECONDS)[0]:
            pass
