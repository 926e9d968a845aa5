"""All values of one field as the items of an array literal (PostgreSQL documentation, "Array Input").

Pydantic writes the values as a JSON list. Its items are almost those of an array literal. Only the backslash
differs: in an array literal it means that the next character stands for itself.
"""

import re
from collections.abc import Callable, Iterable
from typing import Annotated, Any

from pydantic import ConfigDict, TypeAdapter
from pydantic_core import PydanticSerializationError

from penstock.consumer.mapping.field_types import FieldType, field_type, type_names
from penstock.consumer.rows.wire import Type, sql_type_name
from penstock.intents import WriteIntent
from penstock.intents.sensitive import REVEALED

_PLAIN = {"int", "float", "Decimal", "str", "bool", "bytes", "UUID", "IP address"}
_PLAIN |= {"date", "time", "datetime", "aware datetime", "naive datetime", "timedelta"}
_NUMBERS = {"float", "Decimal"}
_ITEM_TYPES = {"BIGINT", "BOOLEAN", "CIDR", "DATE", "DOUBLE PRECISION", "INET", "INTEGER", "INTERVAL", "MACADDR"}
_ITEM_TYPES |= {"MACADDR8", "NUMERIC", "REAL", "SMALLINT", "TEXT", "UUID", "VARCHAR"}
_ITEM_TYPES |= {"TIME WITHOUT TIME ZONE", "TIMESTAMP WITH TIME ZONE", "TIMESTAMP WITHOUT TIME ZONE"}

_ESCAPE = re.compile(r"\\(u[0-9a-f]{4}|.)")
_CHARACTERS = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "/": "/"}

# `NaN` and `Infinity` are not JSON, so Postgres refuses them. Pydantic's default, null, would be written.
CONFIG = ConfigDict(ser_json_inf_nan="constants")


def sent_as_array(field: FieldType, item: Type) -> bool:
    """Return whether the values of a field are sent as an array.

    That needs plain values, which Postgres reads alike from JSON and from an array literal. A type with a length
    or a precision is excluded: the cast of an array truncates what an assignment would refuse.

    Args:
        field: the field.
        item: the type that Postgres reads each value as.
    """
    known = [type_names(alternative) for alternative in field.alternatives]
    return (
        field.plain
        and all(names and names <= _PLAIN for names in known)
        and not _ambiguous(known)
        and sql_type_name(item) in _ITEM_TYPES
    )


def _ambiguous(known: Iterable[set[str]]) -> bool:
    """Return whether `NaN` in the JSON can be either a number or a text."""
    found = set().union(*known)
    return bool(found & _NUMBERS) and "str" in found


def items_writer(intent: type[WriteIntent], field: str) -> Callable[[Iterable[Any]], str]:
    """Return a function that writes values of a field as the items of an array literal.

    The function raises `pydantic_core.PydanticSerializationError` if a value cannot be written.
    """
    info = intent.model_fields[field]
    annotation = Annotated[info.annotation, *info.metadata] if info.metadata else info.annotation
    config = ConfigDict(**{**intent.model_config, **CONFIG})
    serializer = TypeAdapter(list[annotation], config=config).serializer  # type: ignore[valid-type]
    number = any(type_names(alternative) & _NUMBERS for alternative in field_type(intent, field).alternatives)

    def write(values: Iterable[Any]) -> str:
        # A warning of the serializer would show the value.
        json = serializer.to_json(list(values), warnings=False, context=REVEALED).decode()
        if number and ("NaN" in json or "Infinity" in json):
            raise PydanticSerializationError("not a finite number")
        return array_items(json)

    return write


def array_items(json: str) -> str:
    """Turn a JSON list of plain values into the items of an array literal.

    Raises:
        pydantic_core.PydanticSerializationError: a text contains U+0000, which Postgres cannot store.
    """
    if "\\" in json:
        json = _ESCAPE.sub(_unescape, json)
    return json[1:-1]


def _unescape(match: re.Match[str]) -> str:
    escaped = match[1]
    if escaped == "u0000":
        raise PydanticSerializationError("the character U+0000")
    if len(escaped) > 1:
        return chr(int(escaped[1:], 16))
    return _CHARACTERS.get(escaped, match[0])
