"""A line for each dead letter of a long run, printed as soon as it is known what becomes of it."""

import sys
from collections.abc import Iterator, Mapping
from typing import Any, Final

from penstock.cli.support.layout import paragraph
from penstock.cli.support.listing import terminal
from penstock.cli.support.output import escape_control, print_line

_OUTCOME_WIDTH: Final = 9


def print_step(row: Mapping[str, Any], *, as_json: bool) -> None:
    """Print a dead letter: a JSON object, tab-separated text in a pipe, or words on a terminal.

    Args:
        row: the dead letter with its `outcome`, or what it `would` be. `code`, `detail` and `why` are reasons.
        as_json: whether to print JSON.
    """
    if as_json or not sys.stdout.isatty():
        print_line(row if as_json else row.values(), as_json=as_json)
        return
    # Not through a console: it would write over a progress bar.
    sys.stdout.write("".join(f"{line}\n" for line in _lines(row, terminal().width)))
    sys.stdout.flush()


def _lines(row: Mapping[str, Any], width: int) -> Iterator[str]:
    outcome = str(row.get("outcome", row.get("would")))
    name = row["id"] or f"message {row['message_id']}"
    words = (f"{outcome:<{_OUTCOME_WIDTH}}", row["kind"] or "not an intent", name)
    reasons = [row[key] for key in ("code", "detail", "why") if row.get(key)]
    for text, indent in (("  ".join(words), 0), (": ".join(reasons), 2)):
        if text:
            yield from (line.plain for line in paragraph(escape_control(text), width, indent=indent, hang=2))
