"""One dead letter of a dry run, and what the edit changes in it."""

import sys
from typing import Any, Final

from rich.console import Console

from penstock.cli.dlq.steps import print_step
from penstock.cli.support.output import escape_control, print_line
from penstock.deadletters.replay.changes import FieldChange
from penstock.deadletters.replay.preview import Previewed
from penstock.expressions.exact_json import write

_LONGEST: Final = 4 * 1_048_576
"""In bytes: a message before and after an edit fits."""
_RED, _GREEN, _PLAIN = "\x1b[31m", "\x1b[32m", "\x1b[0m"


def print_previewed(one: Previewed, *, as_json: bool, edited: bool, reveal: bool) -> None:
    """Print a line for a dead letter, and below it a line for each value that an edit removes (-) or adds (+).

    Args:
        one: the dead letter.
        as_json: whether to print one JSON object, with the edit as a JSON Patch.
        edited: whether there is an edit.
        reveal: whether to show values, instead of their types and lengths.
    """
    values: dict[str, Any] = {
        "message_id": one.message_id,
        "id": one.id,
        "kind": one.kind,
        "would": one.would,
        "why": one.why,
    }
    if not as_json:
        print_step(values, as_json=False)
        for change in one.changes:
            _print_change(change, reveal=reveal)
    elif edited:
        # Not the encoder of the standard library: it would round numbers.
        patch = [change.operation(reveal=reveal) for change in one.changes]
        sys.stdout.write(f"{write(values | {'patch': patch}, _LONGEST)}\n")
        sys.stdout.flush()
    else:
        print_line(values, as_json=True)


def _print_change(change: FieldChange, *, reveal: bool) -> None:
    name = change.name(reveal=reveal)
    for sign, color, value in zip("-+", (_RED, _GREEN), change.texts(reveal=reveal), strict=True):
        if value is not None:
            line = f"  {sign} {escape_control(f'{name}: {value}')}"
            # Not through a console: it would write over a progress bar.
            sys.stdout.write(f"{color}{line}{_PLAIN}\n" if _has_colors() else f"{line}\n")
            sys.stdout.flush()


def _has_colors() -> bool:
    console = Console()
    return console.is_terminal and console.color_system is not None and not console.no_color
