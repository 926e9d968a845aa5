"""From a request to an intent, or to the problem that says why not; and what a request's headers ask for."""

import json
import re
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import ValidationError

from penstock.intents import WriteIntent
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
"""What an idempotency key may be: what every client can say in a header, quoted or bare."""


def read_intent(intent: type[I], body: bytes, path: Mapping[str, str], *, limit: int, nesting_limit: int) -> I:
    """Validate a JSON body, with the parameters of the request's path as further fields.

    Args:
        intent: the class to make.
        body: the request's body.
        path: fields given by the path; the body may not give them too.
        limit: how many bytes an intent may take.
        nesting_limit: how deep the body may be nested.

    Raises:
        BadRequest: the body is too large, not a JSON object, or not what the class asks for.
    """
    refuse_larger(len(body), limit)
    fields = parse(body)
    check(fields, nesting_limit)
    if not isinstance(fields, dict):
        raise BadRequest("not-an-object", "The body must be a JSON object.")
    twice = [
        wrong_field(name, "given_twice", "The path gives this field already") for name in path if name in fields
    ]
    if errors := twice + not_storable(dict(path)):
        raise invalid(errors)
    return make_intent(intent, json.dumps({**fields, **path}) if path else body)


def make_intent(intent: type[I], text: bytes | str) -> I:
    """Validate JSON as the consumer will: in JSON mode, where a date is a string.

    Raises:
        BadRequest: it is not what the class asks for.
    """
    try:
        return intent.model_validate_json(text)
    except ValidationError as error:
        raise invalid(field_errors(error)) from None


def refuse_larger(size: int, limit: int) -> None:
    """Refuse a body of more bytes than are allowed.

    Raises:
        BadRequest: it has more.
    """
    if size > limit:
        raise BadRequest("too-large", f"The body takes {size:,} bytes; {limit:,} are allowed.")


def read_idempotency_key(header: str | None) -> str | None:
    """Read an `Idempotency-Key` header: a quoted string (IETF draft 07, section 2.1), or a bare one.

    Raises:
        BadRequest: it holds no key that can be used.
    """
    if header is None:
        return None
    key = header.strip()
    quoted = len(key) > 1 and key.startswith('"') and key.endswith('"')
    return usable_key(key[1:-1] if quoted else key)


def usable_key(key: Any) -> str:
    """Return an idempotency key.

    Raises:
        BadRequest: it is not of the form that keys have.
    """
    if not isinstance(key, str) or not re.fullmatch(KEY_PATTERN, key):
        detail = 'An idempotency key must be 1 to 255 printable characters of ASCII, without ".'
        raise BadRequest("bad-idempotency-key", detail)
    return key


def read_preferences(header: str | None) -> dict[str, str]:
    """Read a `Prefer` header: names with their values; the first of a name counts (RFC 7240, section 2)."""
    found: dict[str, str] = {}
    for preference in (header or "").split(","):
        name, _, value = preference.partition(";")[0].partition("=")
        found.setdefault(name.strip().lower(), value.strip().strip('"'))
    return found


def seconds_to_wait(preferences: Mapping[str, str]) -> int:
    """Return the seconds of `wait`; 0 without it, and where it is no number, which is ignored."""
    wait = preferences.get("wait", "")
    return int(wait[:9]) if wait.isascii() and wait.isdigit() else 0
