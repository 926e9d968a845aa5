"""An explanation on the terminal, in a pipe, and in a file."""

import sys
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.text import Text

from penstock.cli.support.errors import USAGE, Failure
from penstock.cli.support.output import escape_control
from penstock.explain.capture import Statement
from penstock.explain.page import page
from penstock.explain.plan import Plan
from penstock.explain.run import Explanation
from penstock.explain.tree import Strokes, draw, format_ms, format_share, shortened, strokes_for
from penstock.explain.words import notes, summary, title

_FAINT = "dim"
_INDENT = "   "
_HOT = 0.25
_PIPE = 100
"""The width of the lines of a tree in a pipe."""


def print_explanation(explanation: Explanation) -> None:
    """Print the statements with their plans, and the hints at the end, where they are in view.

    A terminal shows the beginning of each statement; a pipe gets all of it.
    """
    console = Console(highlight=False, soft_wrap=True)
    width = console.width if console.is_terminal else _PIPE
    for line in _lines(explanation, width, strokes_for(sys.stdout.encoding), whole=not console.is_terminal):
        console.print(line)


def write_page(explanation: Explanation, file: Path) -> None:
    """Write the page of an explanation.

    Raises:
        Failure: the file cannot be written.
    """
    try:
        file.write_text(page(explanation), encoding="utf-8")
    except OSError as error:
        raise Failure(f"{file} cannot be written: {type(error).__name__}", USAGE) from None


def _lines(explanation: Explanation, width: int, strokes: Strokes, *, whole: bool) -> Iterator[Text]:
    yield _text(explanation.kind, "bold")
    yield _text(summary(explanation))
    for number, statement in enumerate(explanation.statements, 1):
        yield Text()
        yield _text(f"{number}. {title(statement)}", "bold")
        sql = statement.sql.splitlines() if whole else shortened(statement.sql, width - len(_INDENT))
        yield from (_text(f"{_INDENT}{line.rstrip()}", _FAINT) for line in sql)
        yield from _plan_lines(statement, width, strokes)
    for note in notes(explanation):
        yield Text()
        yield _text(note)
    for hint in explanation.hints:
        yield Text()
        yield _text(f"hint ({hint.rule}): {hint.problem}", "yellow")
        yield _text(f"  {hint.way_out}")


def _plan_lines(statement: Statement, width: int, strokes: Strokes) -> Iterator[Text]:
    if statement.why_not:
        yield _text(f"{_INDENT}{statement.why_not}")
    if statement.plan is None:
        return
    yield Text()
    if statement.plan.spent:
        yield from _spent_lines(statement.plan, width, strokes)
        yield Text()
    yield from _tree_lines(statement.plan, width, strokes)


def _spent_lines(plan: Plan, width: int, strokes: Strokes) -> Iterator[Text]:
    for name, ms in plan.spent.items():
        share = plan.share(ms)
        yield _share(share, strokes, width) + _text(f" {name}, {format_ms(ms)}")


def _tree_lines(plan: Plan, width: int, strokes: Strokes) -> Iterator[Text]:
    margin = len(format_share(0, strokes, width)) + 1 if plan.execution_ms is not None else 0
    for line in draw(plan, width - margin, strokes):
        text = _text(f"{line.lead}{line.text}", _FAINT if line.faint else "")
        if line.share is None:
            yield Text(" " * margin) + text
        else:
            yield _share(line.share, strokes, width) + Text(" ") + text


def _share(share: float, strokes: Strokes, width: int) -> Text:
    return Text(format_share(share, strokes, width), "red" if share >= _HOT else "")


def _text(text: str, style: str = "") -> Text:
    """Return a text that is safe on a terminal: a name in a database may have any character."""
    return Text(escape_control(text), style)
