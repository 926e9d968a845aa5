"""From a request's body to an intent, or to the problem that says why not."""

import json
from collections import Counter
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, TypeVar

from pydantic import ValidationError

from penstock.intents import WriteIntent
from penstock.intents.storable import Path, unstorable
from penstock.producer.emitter import INTENT_LIMIT_BYTES

I = TypeVar("I", bound=WriteIntent)  # noqa: E741

KEY_LIMIT = 255
ERROR_LIMIT = 20
"""The most wrong fields that an answer names."""

_TEXT_LIMIT = 200


class BadRequest(Exception):
    """A request cannot be made into an intent.

    Attributes:
        status: 400, 413 or 422.
        name: the stable name of the problem.
        errors: the wrong fields.
    """

    def __init__(
        self, status: HTTPStatus, name: str, detail: str, errors: list[dict[str, str]] | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.name = name
        self.errors = errors


def read_intent(intent: type[I], body: bytes, path: Mapping[str, str]) -> I:
    """Validate a JSON body, with the parameters of the request's path as further fields.

    Args:
        intent: the class to make.
        body: the request's body.
        path: fields given by the path; the body may not give them too.

    Raises:
        BadRequest: the body is too large, not a JSON object, or not what the class asks for.
    """
    if len(body) > INTENT_LIMIT_BYTES:
        detail = f"The body takes {len(body):,} bytes; {INTENT_LIMIT_BYTES:,} are allowed."
        raise BadRequest(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too-large", detail)
    fields = _object(body)
    twice = [_error(name, "given_twice", "The path gives this field already") for name in path if name in fields]
    if errors := twice + _unstorable(dict(path)):
        raise invalid(errors)
    try:
        # In JSON mode, as the consumer reads it: a date is a string there.
        return intent.model_validate_json(json.dumps({**fields, **path}) if path else body)
    except ValidationError as error:
        wrong = field_errors(error)
        # Not JSON after all: nested deeper than Pydantic goes.
        raise (_not_json() if wrong[0]["code"] == "json_invalid" else invalid(wrong)) from None


def _object(body: bytes) -> dict[str, Any]:
    """Parse a body, and name what the parser that validates would lose: a repeated key, a lone surrogate."""
    repeated: list[str] = []

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            repeated.extend(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
        return found

    try:
        value = json.loads(body.decode(), object_pairs_hook=unique)
        errors = _unstorable(value)
    except (ValueError, RecursionError):
        raise _not_json() from None
    errors += [_error(name, "given_twice", "An object has this key twice") for name in repeated]
    if errors:
        raise invalid(errors)
    if not isinstance(value, dict):
        raise BadRequest(HTTPStatus.BAD_REQUEST, "not-an-object", "The body must be a JSON object.")
    return value


def _unstorable(value: Any) -> list[dict[str, str]]:
    return [_error(_dotted(path), word, message) for path, word, message in unstorable(value)]


def _not_json() -> BadRequest:
    return BadRequest(HTTPStatus.BAD_REQUEST, "not-json", "The body must be JSON, in UTF-8.")


def read_idempotency_key(header: str | None) -> str | None:
    """Read an `Idempotency-Key` header: a quoted string (IETF draft 07, section 2.1), or a bare one.

    Raises:
        BadRequest: the key is empty or too long.
    """
    if header is None:
        return None
    key = header.strip()
    key = key[1:-1] if key.startswith('"') and key.endswith('"') else key
    if not 0 < len(key) <= KEY_LIMIT:
        detail = f"Idempotency-Key must have 1 to {KEY_LIMIT} characters."
        raise BadRequest(HTTPStatus.BAD_REQUEST, "bad-idempotency-key", detail)
    return key


def field_errors(error: ValidationError) -> list[dict[str, str]]:
    """List the wrong fields of a validation error, without their values."""
    found = error.errors(include_input=False, include_url=False, include_context=False)
    return [_error(_dotted(fault["loc"]), fault["type"], fault["msg"]) for fault in found]


def invalid(errors: list[dict[str, str]]) -> BadRequest:
    """Say which fields are wrong; of many only the first, so that the answer stays small whatever was sent."""
    wrong = f"{len(errors):,} fields are wrong" if len(errors) > 1 else "1 field is wrong"
    listed = f"; the first {ERROR_LIMIT} are listed" if len(errors) > ERROR_LIMIT else ""
    return BadRequest(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid-fields", f"{wrong}{listed}.", errors[:ERROR_LIMIT])


def _dotted(path: Path) -> str:
    return ".".join(str(part) for part in path)


def _error(field: str, code: str, message: str) -> dict[str, str]:
    return {"field": _short(field), "code": code, "message": _short(message)}


def _short(text: str) -> str:
    """Cut what a sender may have made up: the name of an unknown field, or a value that a message quotes."""
    return text if len(text) <= _TEXT_LIMIT else f"{text[:_TEXT_LIMIT]}…"
