"""Parse a request's body to JSON values that can be stored, or refuse it with a problem."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, Final

from pydantic import ValidationError

from penstock.expressions.exact_json import Number
from penstock.intents.storable import Path, unstorable

ERROR_LIMIT: Final = 20
"""The most wrong fields that an answer lists."""

_TEXT_CHARACTERS = 200


class BadRequest(Exception):
    """A request is refused. The error's text is a sentence for the client.

    Attributes:
        name: the stable name of the problem, a key of `PROBLEMS`.
        errors: the wrong fields.
    """

    def __init__(self, name: str, detail: str, errors: list[dict[str, str]] | None = None) -> None:
        super().__init__(detail)
        self.name = name
        self.errors = errors


class _DuplicateKeys(dict[str, Any]):
    """A JSON object that has a key twice. Pydantic's parser would keep the last value and say nothing."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.names = [name for name, count in Counter(name for name, _ in pairs).items() if count > 1]


def parse(body: bytes | str, *, where: str = "The body") -> Any:
    """Parse JSON. An object that has a key twice is marked, and `check` refuses it.

    Args:
        body: the JSON text.
        where: the part of the request that the body is, for the error's text.

    Raises:
        BadRequest: the body is not JSON, or nested too deep.
    """
    try:
        return _decode(body.decode() if isinstance(body, bytes) else body)
    except RecursionError:
        raise BadRequest("too-deep", f"{where} is nested too deep.") from None
    except ValueError:
        raise BadRequest("not-json", f"{where} must be JSON, in UTF-8.") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    parsed = dict(pairs)
    return parsed if len(parsed) == len(pairs) else _DuplicateKeys(pairs)


# One decoder for all calls: `json.loads` makes a new one at each call with other options than its defaults.
_decode = json.JSONDecoder(object_pairs_hook=_object, parse_float=Number).decode


def check(value: Any, nesting_limit: int) -> None:
    """Refuse a value that is nested too deep, cannot be stored, or has a key twice.

    Raises:
        BadRequest: the value is one of these; `errors` lists the wrong fields.
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
    """Yield the objects and arrays of each level, the outermost first. No recursion: any depth is possible."""
    level = _containers([value])
    while level:
        yield level
        level = _containers(
            inner for outer in level for inner in (outer.values() if isinstance(outer, dict) else outer)
        )


def _containers(values: Iterable[Any]) -> list[Any]:
    return [value for value in values if isinstance(value, dict | list)]


def not_storable(value: Any) -> list[dict[str, str]]:
    """List the values that SQS or Postgres cannot store."""
    return [wrong_field(_dotted(path), code, message) for path, code, message in unstorable(value)]


def invalid(errors: list[dict[str, str]]) -> BadRequest:
    """Return the problem that lists the wrong fields, the first 20 at most: an answer must stay small."""
    wrong = f"{len(errors):,} fields are wrong" if len(errors) > 1 else "1 field is wrong"
    listed = f"; the first {ERROR_LIMIT} are listed" if len(errors) > ERROR_LIMIT else ""
    return BadRequest("invalid-fields", f"{wrong}{listed}.", errors[:ERROR_LIMIT])


def field_errors(error: ValidationError) -> list[dict[str, str]]:
    """List the wrong fields of a validation error, without their values."""
    found = error.errors(include_input=False, include_url=False, include_context=False)
    return [wrong_field(_dotted(fault["loc"]), fault["type"], fault["msg"]) for fault in found]


def wrong_field(field: str, code: str, message: str) -> dict[str, str]:
    """Describe one wrong field. Names and messages may hold text of the client, and are truncated."""
    return {"field": _truncated(field), "code": code, "message": _truncated(message)}


def _dotted(path: Path) -> str:
    return ".".join(str(part) for part in path)


def _truncated(text: str) -> str:
    return text if len(text) <= _TEXT_CHARACTERS else f"{text[:_TEXT_CHARACTERS]}…"
