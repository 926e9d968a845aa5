"""From a request's body to an intent, or to the problem that says why not."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import from_json

from penstock.intents import WriteIntent
from penstock.intents.storable import Path, unstorable
from penstock.producer.emitter import INTENT_LIMIT_BYTES

I = TypeVar("I", bound=WriteIntent)  # noqa: E741

KEY_LIMIT = 255


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
    if twice:
        raise _invalid(twice)
    try:
        # In JSON mode, as the consumer reads it: a date is a string there.
        return intent.model_validate_json(json.dumps({**fields, **path}) if path else body)
    except ValidationError as error:
        raise _invalid(field_errors(error)) from None


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = from_json(body)
    except ValueError:
        value = _lenient(body)
    if not isinstance(value, dict):
        raise BadRequest(HTTPStatus.BAD_REQUEST, "not-an-object", "The body must be a JSON object.")
    return value


def _lenient(body: bytes) -> Any:
    """Look again at what is no JSON to the strict parser: a lone surrogate has a field to name."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        value = None
    errors = [_error(_dotted(path), word, message) for path, word, message in unstorable(value)]
    if errors:
        raise _invalid(errors)
    raise BadRequest(HTTPStatus.BAD_REQUEST, "not-json", "The body must be JSON, in UTF-8.")


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


def _invalid(errors: list[dict[str, str]]) -> BadRequest:
    detail = f"{len(errors)} field{'s are' if len(errors) > 1 else ' is'} wrong."
    return BadRequest(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid-fields", detail, errors)


def _dotted(path: Path) -> str:
    return ".".join(str(part) for part in path)


def _error(field: str, code: str, message: str) -> dict[str, str]:
    return {"field": field, "code": code, "message": message}
