"""The shape of a payload without its values: it shows what is wrong, and no personal data."""

import json
import re
from typing import Any, Final

from penstock.intents.sealed import token_of

_MAX_DEPTH: Final = 8
_MAX_FIELDS: Final = 20
_TYPE_NAMES: Final = {bool: "true or false", int: "number", float: "number"}
_FIELD_NAME: Final = re.compile("[A-Za-z_][A-Za-z0-9_-]{0,63}")
HEAD: Final = ("specversion", "id", "source", "type", "time", "datacontenttype", "dataversion", "traceparent")
"""The head of an envelope, which holds no values of an intent."""


def redacted(body: str) -> Any:
    """Return a message's body with the head of the envelope unchanged, and every other value replaced by its type.

    Field names are shown if they look like field names: such names are the service's own, or a sender's mistake.
    """
    try:
        event = json.loads(body)
    except (ValueError, RecursionError):
        return f"no JSON, {len(body)} characters"
    if not isinstance(event, dict) or not isinstance(event.get("specversion"), str):
        return _shape(event, 0)
    head = {name: event[name] for name in HEAD if name in event and isinstance(event[name], str | int | None)}
    shape = _shape({name: value for name, value in event.items() if name not in head}, 0)
    return head | shape


def shape_of(value: Any) -> Any:
    """Return a value with its type and length in place of every value in it."""
    return _shape(value, 0)


def redacted_name(name: str) -> str:
    """Return the name of a field, or its length if it does not look like the name of a field."""
    return name if _FIELD_NAME.fullmatch(name) else f"name of {len(name)}"


def _shape(value: Any, depth: int) -> Any:
    if depth >= _MAX_DEPTH:
        return "…"
    if token_of(value):
        return "encrypted"
    match value:
        case dict():
            items = list(value.items())
            shown = {redacted_name(name): _shape(one, depth + 1) for name, one in items[:_MAX_FIELDS]}
            return shown | ({"…": len(items) - _MAX_FIELDS} if len(items) > _MAX_FIELDS else {})
        case list():
            return [_shape(one, depth + 1) for one in value[:1]] + (["…"] if len(value) > 1 else [])
        case str():
            return f"text of {len(value)}"
        case _:
            # Of a float there is a subclass, which keeps the number's text.
            return _TYPE_NAMES.get(float if isinstance(value, float) else type(value))
