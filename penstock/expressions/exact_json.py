"""JSON whose numbers keep their text: no number is rounded by a conversion to float and back."""

import json
from collections.abc import Callable
from typing import Any, Self


class ExactJsonError(ValueError):
    """A text is not JSON, or a value cannot be written as JSON; the error message contains no value."""


class JsonTooLong(ExactJsonError):
    """A value is longer than the limit."""


class Number(float):
    """A number with a decimal point or an exponent, and its text."""

    text: str

    def __new__(cls, text: str) -> Self:
        """Create the number from its text."""
        number = super().__new__(cls, text)
        number.text = text
        return number

    def __deepcopy__(self, _memo: object) -> Self:
        """Return the number itself, because it is immutable."""
        return self


# JMESPath recognizes a number by the name of its type.
Number.__name__ = "float"


def read(text: str) -> Any:
    """Parse JSON.

    Raises:
        ExactJsonError: the text is not JSON, or contains NaN or infinity.
    """
    try:
        return json.loads(text, parse_float=Number, parse_constant=_refuse)
    except RecursionError:
        raise ExactJsonError("nested too deep") from None
    except ValueError:
        raise ExactJsonError("not JSON") from None


def write(value: Any, limit: int) -> str:
    """Write a value as JSON that SQS accepts.

    Args:
        value: a value that `read` returned, or one made from it.
        limit: the maximum size of the JSON text, in bytes of UTF-8.

    Raises:
        JsonTooLong: the JSON text exceeds the limit. Writing stops there.
        ExactJsonError: the value cannot be written as JSON.
    """
    parts: list[str] = []
    left = limit

    def put(text: str) -> None:
        nonlocal left
        left -= len(text.encode())
        if left < 0:
            raise JsonTooLong(f"longer than {limit:,} bytes")
        parts.append(text)

    try:
        _write(value, put)
    except RecursionError:
        raise ExactJsonError("nested too deep") from None
    except (TypeError, OverflowError):
        raise ExactJsonError("not JSON") from None
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
        return value.text
    if isinstance(value, str):
        return _text(value)
    try:
        return json.dumps(value, allow_nan=False)
    except ValueError:
        raise ExactJsonError("a number that is not finite") from None


def _text(value: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        return json.dumps(value)
    # SQS refuses these two characters, and `json.dumps` does not escape them (SQS: SendMessage).
    return json.dumps(value, ensure_ascii=False).replace("\ufffe", "\\ufffe").replace("\uffff", "\\uffff")


def _refuse(_constant: str) -> None:
    raise ValueError
