"""A payload's shape without its values, for those who need to see what is wrong and not whom it is about."""

import json
from typing import Any, Final

_DEEPEST: Final = 8
_LONGEST: Final = 20
_NAMES: Final = {bool: "true or false", int: "number", float: "number"}
_HEAD: Final = ("specversion", "id", "source", "type", "time", "datacontenttype", "dataversion", "traceparent")


def redacted(body: str) -> Any:
    """Return a message's body with the envelope's head as it is, and each value in it replaced by its type.

    Names of fields are shown: they are the service's own, or the sender's mistake.
    """
    try:
        event = json.loads(body)
    except (ValueError, RecursionError):
        return f"no JSON, {len(body)} characters"
    if not isinstance(event, dict):
        return _shape(event, 0)
    return {
        name: value if name in _HEAD and _is_plain(value) else _shape(value, 0) for name, value in event.items()
    }


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, str | int)


def _shape(value: Any, depth: int) -> Any:
    if depth >= _DEEPEST:
        return "…"
    match value:
        case dict():
            items = list(value.items())
            shown = {name: _shape(one, depth + 1) for name, one in items[:_LONGEST]}
            return shown | ({"…": len(items) - _LONGEST} if len(items) > _LONGEST else {})
        case list():
            return [_shape(one, depth + 1) for one in value[:1]] + (["…"] if len(value) > 1 else [])
        case str():
            return f"text of {len(value)}"
        case _:
            return _NAMES.get(type(value))
