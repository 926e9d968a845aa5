"""Make an intent from a request, or refuse the request with a problem; and parse the request's headers."""

import json
import re
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import ValidationError

from penstock.intents import WriteIntent
from penstock.intents.exact_numbers import read_exactly
from penstock.producer.http.bodies import (
    BadRequest,
    check,
    field_errors,
    invalid,
    not_storable,
    parse,
    wrong_field,
)

I = TypeVar("I", bound=WriteIntent)  # noqa: E741

KEY_PATTERN = "[ !#-~]{1,255}"
"""The form of an idempotency key: every client can send it in a header, quoted or bare."""


def read_intent(intent: type[I], body: bytes, path: Mapping[str, str], *, limit: int, nesting_limit: int) -> I:
    """Validate a JSON body together with the path parameters, which are further fields.

    Args:
        intent: the class of the intent.
        body: the request's body.
        path: the fields that the path gives. The body may not give them too.
        limit: the largest size of an intent, in bytes.
        nesting_limit: the most levels of nesting.

    Raises:
        BadRequest: the body is too large, is not a JSON object, or is not valid for the class.
    """
    check_size(len(body), limit)
    fields = parse(body)
    check(fields, nesting_limit)
    if not isinstance(fields, dict):
        raise BadRequest("not-an-object", "The body must be a JSON object.")
    given_twice = [
        wrong_field(name, "given_twice", "The path gives this field already") for name in path if name in fields
    ]
    if errors := given_twice + not_storable(dict(path)):
        raise invalid(errors)
    return make_intent(intent, _with_path(body.decode().strip(), fields, path))


def _with_path(text: str, fields: Mapping[str, Any], path: Mapping[str, str]) -> str:
    """Put the fields of the path into the text of an object, whose numbers stay as they are written."""
    if not path:
        return text
    return f"{json.dumps(dict(path))[:-1]}{', ' if fields else ''}{text[1:]}"


def make_intent(intent: type[I], text: str) -> I:
    """Validate JSON as the consumer does: in Pydantic's JSON mode, where a date is a string.

    Raises:
        BadRequest: the JSON is not valid for the class.
    """
    try:
        return read_exactly(intent.model_validate_json, text, intent)
    except ValidationError as error:
        raise invalid(field_errors(error)) from None


def check_size(size: int, limit: int) -> None:
    """Refuse a body that is too large.

    Args:
        size: the size of the body, in bytes.
        limit: the largest size that is allowed, in bytes.

    Raises:
        BadRequest: the body is larger.
    """
    if size > limit:
        raise BadRequest("too-large", f"The body takes {size:,} bytes; {limit:,} are allowed.")


def read_idempotency_key(header: str | None) -> str | None:
    """Parse an `Idempotency-Key` header: a quoted string (IETF draft 07, section 2.1), or a bare one.

    Raises:
        BadRequest: the key cannot be used.
    """
    if header is None:
        return None
    key = header.strip()
    quoted = len(key) > 1 and key.startswith('"') and key.endswith('"')
    return valid_key(key[1:-1] if quoted else key)


def valid_key(key: Any) -> str:
    """Return an idempotency key if it is valid.

    Raises:
        BadRequest: the key is not 1 to 255 printable characters of ASCII without a quotation mark.
    """
    if not isinstance(key, str) or not re.fullmatch(KEY_PATTERN, key):
        detail = 'An idempotency key must be 1 to 255 printable characters of ASCII, without ".'
        raise BadRequest("bad-idempotency-key", detail)
    return key


def read_preferences(header: str | None) -> dict[str, str]:
    """Parse a `Prefer` header to values by name. The first value of a name counts (RFC 7240, section 2)."""
    preferences: dict[str, str] = {}
    for preference in (header or "").split(","):
        name, _, value = preference.partition(";")[0].partition("=")
        preferences.setdefault(name.strip().lower(), value.strip().strip('"'))
    return preferences


def seconds_to_wait(preferences: Mapping[str, str]) -> int:
    """Return the seconds of `wait`; 0 if it is missing or not a number."""
    wait = preferences.get("wait", "")
    return int(wait[:9]) if wait.isascii() and wait.isdigit() else 0
