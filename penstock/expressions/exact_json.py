"""JSON read and written with every number as it came: none goes through a float and comes back as another."""

import json
from collections.abc import Callable
from typing import Any, Self


class NotExact(ValueError):
    """A text is no JSON, or a value cannot be written as JSON; the message holds no value."""


class TooLong(NotExact):
    """A value takes more room than it may."""


class Number(float):
    """A number with a point or an exponent, which knows how it was written."""

    written: str

    def __new__(cls, text: str) -> Self:
        """Take its text."""
        number = super().__new__(cls, text)
        number.written = text
        return number

    def __deepcopy__(self, _memo: object) -> Self:
        """Return itself: it never changes."""
        return self


# JMESPath tells types by this name, and takes what has another for no number.
Number.__name__ = "float"


def read(text: str) -> Any:
    """Parse JSON.

    Raises:
        NotExact: it is none, or has NaN or infinity in it.
    """
    try:
        return json.loads(text, parse_float=Number, parse_constant=_refuse)
    except RecursionError:
        raise NotExact("nested too deep") from None
    except ValueError:
        raise NotExact("not JSON") from None


def write(value: Any, limit: int) -> str:
    """Write a value as JSON that SQS takes.

    Args:
        value: what `read` returned, or what was made of it.
        limit: the most bytes that it may take in UTF-8.

    Raises:
        TooLong: it takes more. Not all of it has been written to find that out.
        NotExact: it is no JSON.
    """
    parts: list[str] = []
    left = limit

    def put(text: str) -> None:
        nonlocal left
        left -= len(text.encode())
        if left < 0:
            raise TooLong(f"longer than {limit:,} bytes")
        parts.append(text)

    try:
        _write(value, put)
    except RecursionError:
        raise NotExact("nested too deep") from None
    except (TypeError, OverflowError):
        raise NotExact("not JSON") from None
    return "".join(parts)


def _write(value: Any, put: Callable[[str], None]) -> None:
    if isinstance(value, dict):
        put("{")
        for index, (key, inner) in enumerate(value.items()):
            put(f"{', ' if index else ''}{_text(key)}: ")
            _write(inner, put)
        put("}")
    elif isinstance(value, list):
        put("[")
        for index, inner in enumerate(value):
            put(", " if index else "")
            _write(inner, put)
        put("]")
    else:
        put(_scalar(value))


def _scalar(value: Any) -> str:
    if isinstance(value, Number):
        return value.written
    if isinstance(value, str):
        return _text(value)
    try:
        return json.dumps(value, allow_nan=False)
    except ValueError:
        raise NotExact("a number that is not finite") from None


def _text(value: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        return json.dumps(value)
    # The two characters that SQS refuses and that JSON does not escape by itself (SQS: SendMessage).
    return json.dumps(value, ensure_ascii=False).replace("\ufffe", "\\ufffe").replace("\uffff", "\\uffff")


def _refuse(_constant: str) -> None:
    raise ValueError
