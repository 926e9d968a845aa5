"""A payload's shape without its values, for those who need to see what is wrong and not whom it is about."""

import json
import re
from typing import Any, Final

_DEEPEST: Final = 8
_LONGEST: Final = 20
_NAMES: Final = {bool: "true or false", int: "number", float: "number"}
_NAME: Final = re.compile("[A-Za-z_][A-Za-z0-9_-]{0,63}")
_HEAD: Final = ("specversion", "id", "source", "type", "time", "datacontenttype", "dataversion", "traceparent")


def redacted(body: str) -> Any:
    """Return a message's body with an envelope's head as it is, and each other value replaced by its type.

    Names of fields are shown, where they look like such: they are the service's own, or the sender's mistake.
    """
    try:
        event = json.loads(body)
    except (ValueError, RecursionError):
        return f"no JSON, {len(body)} characters"
    if not isinstance(event, dict) or not isinstance(event.get("specversion"), str):
        return _shape(event, 0)
    head = {name: event[name] for name in _HEAD if name in event and _is_plain(event[name])}
    shape = _shape({name: value for name, value in event.items() if name not in head}, 0)
    return head | shape


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, str | int)


def _named(name: str) -> str:
    return name if _NAME.fullmatch(name) else f"name of {len(name)}"


def _shape(value: Any, depth: int) -> Any:
    if depth >= _DEEPEST:
        return "…"
    match value:
        case dict():
            items = list(value.items())
            shown = {_named(name): _shape(one, depth + 1) for name, one in items[:_LONGEST]}
            return shown | ({"…": len(items) - _LONGEST} if len(items) > _LONGEST else {})
        case list():
            return [_shape(one, depth + 1) for one in value[:1]] + (["…"] if len(value) > 1 else [])
        case str():
            return f"text of {len(value)}"
        case _:
            return _NAMES.get(type(value))
