"""One record: aligned lines on a terminal, tab-separated ones in a pipe, a JSON object for a program."""

import sys
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from rich.cells import cell_len
from rich.text import Text

from penstock.cli.support.layout import paragraph
from penstock.cli.support.listing import terminal
from penstock.cli.support.output import escape_control, print_line
from penstock.cli.support.times import relative

_GAP: Final = 2
_LONGEST_WORD: Final = 36
"""An id, which stays whole so that it can be copied."""
_MIN_BESIDE: Final = 16
"""A value that has less room than this is under its name."""


def print_record(record: Mapping[str, Any], *, as_json: bool, times: Collection[str] = ()) -> None:
    """Print one record on stdout.

    Args:
        record: the values by their names.
        as_json: whether to print JSON.
        times: the names of the values that are times, in RFC 3339: a terminal also shows how long ago they are.
    """
    if as_json:
        print_line(record, as_json=True)
    elif sys.stdout.isatty():
        console = terminal()
        for line in draw_record(record, console.width, times=times):
            console.print(line, soft_wrap=True)
    else:
        for item in record.items():
            print_line(item, as_json=False)


def draw_record(
    record: Mapping[str, Any], width: int, *, times: Collection[str] = (), gap: int = _GAP
) -> Iterable[Text]:
    """Return the lines of a record, without the values that are None, for a terminal of this width in columns."""
    now = datetime.now(UTC)
    texts = {
        name: _with_age(value, now) if name in times else escape_control(value)
        for name, value in record.items()
        if value is not None
    }
    names = max((cell_len(name) for name in texts), default=0) + gap
    for name, text in texts.items():
        yield from _beside(name, text, width, names)


def _with_age(value: str, now: datetime) -> str:
    try:
        return f"{datetime.fromisoformat(value).isoformat(timespec='seconds')} ({relative(value, now)})"
    except (TypeError, ValueError):
        return escape_control(value)  # A sender's text, which may be no time.


def _beside(name: str, text: str, width: int, names: int) -> Iterable[Text]:
    """Return the lines of a value beside its name, or under it if its words need more room."""
    longest = min(max((cell_len(word) for word in text.split()), default=0), _LONGEST_WORD)
    # Not `Text(name, "dim")`: that is the style of all that is added, too.
    title = Text().append(name, "dim")
    if width - names < max(longest, _MIN_BESIDE):
        yield title
        yield from paragraph(text, width, indent=_GAP)
        return
    first, *others = paragraph(text, width - names)
    yield title + Text(" " * (names - cell_len(name))) + first
    yield from (Text(" " * names) + line for line in others)
