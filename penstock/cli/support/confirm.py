"""Asking before something is done."""

import sys

import typer

from penstock.cli.support.errors import CONFIRMATION, Failure


def confirm(question: str, *, yes: bool, no_input: bool, needs: str) -> None:
    """Ask, unless --yes was given.

    Args:
        question: what to ask.
        yes: whether the answer was given already.
        no_input: whether nobody must be asked.
        needs: what to say where nobody can be asked: what needs --yes.

    Raises:
        Failure: the answer is no, or nobody can be asked.
    """
    if yes:
        return
    _see_who_is_there(needs, no_input=no_input)
    if _answer(f"{question} [y/N]: ").lower() not in {"y", "yes"}:
        raise Failure("nothing was done", CONFIRMATION)


def confirm_by_typing(word: str, question: str, *, yes: bool, no_input: bool, needs: str) -> None:
    """Ask for a word to be typed, unless --yes was given.

    Args:
        word: what has to be typed.
        question: what to say before that.
        yes: whether the answer was given already.
        no_input: whether nobody must be asked.
        needs: what to say where nobody can be asked: what needs --yes.

    Raises:
        Failure: something else was typed, or nobody can be asked.
    """
    if yes:
        return
    _see_who_is_there(needs, no_input=no_input)
    if _answer(f"{question}\nType {word} to go on: ") != word:
        raise Failure("nothing was done", CONFIRMATION)


def _answer(question: str) -> str:
    """Read a line; no more input is an empty one. Ctrl-C stays what it is, while Click's prompts make no of it."""
    typer.echo(question, err=True, nl=False)
    return sys.stdin.readline().strip()


def _see_who_is_there(needs: str, *, no_input: bool) -> None:
    if no_input or not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise Failure(f"{needs} needs --yes where nobody can be asked; nothing was done", CONFIRMATION)
