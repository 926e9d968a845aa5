"""From the bytes of a body to JSON values that can be stored, or to the problem that says why not."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, Final

from pydantic import ValidationError

from penstock.intents.storable import Path, unstorable

ERROR_LIMIT: Final = 20
"""The most wrong fields that an answer names."""

_TEXT_LIMIT = 200


class BadRequest(Exception):
    """A request cannot be taken; the text is a sentence for whoever sent it.

    Attributes:
        name: the stable name of the problem.
        errors: the wrong fields.
    """

    def __init__(self, name: str, detail: str, errors: list[dict[str, str]] | None = None) -> None:
        super().__init__(detail)
        self.name = name
        self.errors = errors


class _DuplicateKeys(dict[str, Any]):
    """An object that has a key twice, which the parser that validates would lose."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.names = [name for name, count in Counter(name for name, _ in pairs).items() if count > 1]


def parse(body: bytes | str, *, where: str = "The body") -> Any:
    """Parse JSON, and remember which object has a key twice; `check` says so.

    Raises:
        BadRequest: it is no JSON.
    """
    try:
        return _read(body.decode() if isinstance(body, bytes) else body)
    except RecursionError:
        raise BadRequest("too-deep", f"{where} is nested too deep.") from None
    except ValueError:
        raise BadRequest("not-json", f"{where} must be JSON, in UTF-8.") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    return found if len(found) == len(pairs) else _DuplicateKeys(pairs)


# Kept: `json` makes another one at each call that asks for anything but its defaults.
_read = json.JSONDecoder(object_pairs_hook=_object).decode


def check(value: Any, nesting_limit: int) -> None:
    """Refuse a value that is nested too deep, that cannot be stored, or that has a key twice.

    Raises:
        BadRequest: it is, naming each wrong field.
    """
    repeated: list[str] = []
    for depth, level in enumerate(_levels(value)):
        if depth >= nesting_limit:
            raise BadRequest("too-deep", f"JSON may be nested {nesting_limit:,} levels deep.")
        repeated += [
            name for container in level if isinstance(container, _DuplicateKeys) for name in container.names
        ]
    errors = not_storable(value)
    errors += [wrong_field(name, "given_twice", "An object has this key twice") for name in repeated]
    if errors:
        raise invalid(errors)


def _levels(value: Any) -> Iterator[list[Any]]:
    """Yield the objects and arrays of each level, from the outside in; whatever the depth, without recursion."""
    level = _containers([value])
    while level:
        yield level
        level = _containers(
            inner for outer in level for inner in (outer.values() if isinstance(outer, dict) else outer)
        )


def _containers(values: Iterable[Any]) -> list[Any]:
    return [value for value in values if isinstance(value, dict | list)]


def not_storable(value: Any) -> list[dict[str, str]]:
    """List what neither SQS nor Postgres can hold."""
    return [wrong_field(_dotted(path), word, message) for path, word, message in unstorable(value)]


def invalid(errors: list[dict[str, str]]) -> BadRequest:
    """Say which fields are wrong; of many only the first, so that the answer stays small whatever was sent."""
    wrong = f"{len(errors):,} fields are wrong" if len(errors) > 1 else "1 field is wrong"
    listed = f"; the first {ERROR_LIMIT} are listed" if len(errors) > ERROR_LIMIT else ""
    return BadRequest("invalid-fields", f"{wrong}{listed}.", errors[:ERROR_LIMIT])


def field_errors(error: ValidationError) -> list[dict[str, str]]:
    """List the wrong fields of a validation error, without their values."""
    found = error.errors(include_input=False, include_url=False, include_context=False)
    return [wrong_field(_dotted(fault["loc"]), fault["type"], fault["msg"]) for fault in found]


def wrong_field(field: str, code: str, message: str) -> dict[str, str]:
    """Describe one wrong field, cutting short what a sender may have made up: names, and values in a message."""
    return {"field": _short(field), "code": code, "message": _short(message)}


def _dotted(path: Path) -> str:
    return ".".join(str(part) for part in path)


def _short(text: str) -> str:
    return text if len(text) <= _TEXT_LIMIT else f"{text[:_TEXT_LIMIT]}…"
