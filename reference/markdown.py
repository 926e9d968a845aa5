"""Markdown that the pages are made of."""

from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table. A bar in a cell is escaped."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(_escape(cell) for cell in line)} |" for line in lines)


def code(text: str) -> str:
    """Return a code span, or nothing for no text."""
    return f"`{text}`" if text else ""


def console(commands: Iterable[str]) -> str:
    """Return a block of commands."""
    lines = "\n".join(f"$ {command}" for command in commands)
    return f"```console\n{lines}\n```"


def _escape(cell: str) -> str:
    return cell.replace("|", "\\|")
