"""Text of senders, as a page shows it: every character is visible, and long text is cut."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from difflib import SequenceMatcher
from typing import Any, Final

from markupsafe import Markup

from penstock.cli.operate.causes import Cause
from penstock.cli.support.output import format_duration

MAX_SHOWN: Final = 20_000
"""So many characters of a body are shown."""
_MAX_DIFF_LINES: Final = 1_500
_MAX_PRETTY: Final = 100_000
_CONTEXT: Final = 3


def visible(value: Any) -> Any:
    r"""Return text with a code such as `\u202e` for each character that cannot be seen, except for line breaks.

    Those are control characters, marks that turn the direction of the text around it, and halves of characters.
    """
    if not isinstance(value, str) or isinstance(value, Markup) or value.isprintable():
        return value
    return "".join(c if c.isprintable() or c == "\n" else _code(c) for c in value)


def _code(character: str) -> str:
    number = ord(character)
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"  # noqa: PLR2004 (the end of four digits)


class _Raw(str):
    """A number or a constant as it is written."""

    __slots__ = ()


class _Pairs(list[tuple[str, Any]]):
    """An object with each of its members, also those that are repeated."""


def pretty(body: str) -> str:
    """Return JSON with a line for each value, and other text as it is. No number is written in another way."""
    if len(body) > _MAX_PRETTY:
        return body
    try:
        value = json.loads(body, parse_float=_Raw, parse_int=_Raw, parse_constant=_Raw, object_pairs_hook=_Pairs)
        return "".join(_write(value, "\n"))
    except (ValueError, RecursionError):
        return body


def _write(value: Any, indent: str) -> Iterator[str]:
    match value:
        case _Raw():
            yield value
        case _Pairs() | list() if value:
            is_object, deeper = isinstance(value, _Pairs), f"{indent}  "
            yield "{" if is_object else "["
            for number, item in enumerate(value):
                yield f"{',' if number else ''}{deeper}"
                if is_object:
                    yield f"{json.dumps(item[0], ensure_ascii=False)}: "
                yield from _write(item[1] if is_object else item, deeper)
            yield f"{indent}{'}' if is_object else ']'}"
        case _Pairs():
            yield "{}"
        case _:
            yield json.dumps(value, ensure_ascii=False)


def places(cause: Cause) -> str:
    """Return the detail of a cause without its reason and its SQLSTATE, which stand beside it."""
    rest = (cause.detail or "").removeprefix(f"{cause.reason}").removeprefix(": ")
    return rest.removeprefix(f"sqlstate {cause.sqlstate}").removeprefix(", ")


def shape(value: Any) -> str:
    """Return the redacted data of an envelope, or else the whole redacted message, in one line."""
    data = value.get("data", value) if isinstance(value, dict) else value
    return json.dumps(data, ensure_ascii=False).replace('"', "") if isinstance(data, dict) else str(data)


def cut(text: str, limit: int = MAX_SHOWN) -> str:
    """Return the beginning of a text."""
    return text[:limit]


def diff(before: str, after: str) -> list[tuple[str, str]] | None:
    """Return the lines of two texts: those in both (` `), only before (`-`), only after (`+`), and gaps (`…`).

    Returns:
        The lines; None if there are too many to compare.
    """
    old, new = before.split("\n"), after.split("\n")
    if max(len(old), len(new)) > _MAX_DIFF_LINES or max(len(before), len(after)) > MAX_SHOWN:
        return None
    lines: list[tuple[str, str]] = []
    for number, group in enumerate(SequenceMatcher(None, old, new, autojunk=False).get_grouped_opcodes(_CONTEXT)):
        lines += [("…", "")] * bool(number)
        for tag, i1, i2, j1, j2 in group:
            if tag == "equal":
                lines += [(" ", line) for line in old[i1:i2]]
            else:
                lines += [("-", line) for line in old[i1:i2]] + [("+", line) for line in new[j1:j2]]
    return lines


def clock(seconds: float) -> str:
    """Format a time, given in seconds since the epoch."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"


def ago(seconds: float) -> str:
    """Return how long ago a time was, given in seconds since the epoch."""
    return f"{format_duration(datetime.now(UTC).timestamp() - seconds)} ago"


def left(seconds: float) -> str:
    """Return how long it is until a time, given in seconds since the epoch."""
    remaining = seconds - datetime.now(UTC).timestamp()
    return f"in {format_duration(remaining)}" if remaining > 0 else "any moment now"
