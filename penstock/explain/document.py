"""An explanation as JSON values."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from penstock.explain.run import Explanation
from penstock.explain.words import notes


def document(explanation: Explanation) -> dict[str, Any]:
    """Return an explanation with its plans and hints as JSON values."""
    return {**_plain(explanation), "notes": notes(explanation)}


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {one.name: _plain(getattr(value, one.name)) for one in fields(value)}
    if hasattr(value, "_asdict"):
        return value._asdict()
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value
