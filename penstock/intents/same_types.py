"""Whether two readings of one text have the same types: no text in place of a number."""

from collections import Counter
from collections.abc import Mapping, Set
from dataclasses import fields, is_dataclass
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, Final
from uuid import UUID

from pydantic import BaseModel

_LEAVES: Final = (str, bytes, int, float, Decimal, date, time, timedelta, UUID, Enum, type(None))
"""Types whose values hold no others. A default that is made anew at each reading may have another value."""


def same_types(one: Any, other: Any) -> bool:
    """Return whether two values have the same types, at any depth. Values of an unknown class have to be equal."""
    if type(one) is not type(other):
        return False
    if isinstance(one, Mapping):
        return one.keys() == other.keys() and all(same_types(item, other[name]) for name, item in one.items())
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same_types, one, other))
    if isinstance(one, Set):
        return Counter(map(_shape, one)) == Counter(map(_shape, other))
    if isinstance(one, BaseModel) or is_dataclass(one):
        return same_types(_fields(one), _fields(other))
    return isinstance(one, _LEAVES) or bool(one == other)


def _fields(value: Any) -> dict[str, Any]:
    """Return the fields of a model or of a dataclass, and what a model keeps beside them."""
    if isinstance(value, BaseModel):
        return {name: getattr(value, name) for name in type(value).model_fields} | (value.__pydantic_extra__ or {})
    return {field.name: getattr(value, field.name) for field in fields(value)}


def _shape(item: Any) -> Any:
    """Return the types of an item of a set, which has no order to compare it by."""
    if isinstance(item, tuple):
        return (type(item), *map(_shape, item))
    if isinstance(item, frozenset):
        return frozenset(Counter(map(_shape, item)).items())
    return type(item) if isinstance(item, _LEAVES) else item
