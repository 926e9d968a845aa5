"""All values of one field as the text of an array of Postgres (PostgreSQL documentation, "Array Input").

Pydantic writes them as a JSON list, which for plain values is such a text already, but for the outer brackets and
for what a backslash means: in an array it makes the next character stand for itself.
"""

import re
from collections.abc import Callable, Iterable
from typing import Annotated, Any

from pydantic import ConfigDict, TypeAdapter
from pydantic_core import PydanticSerializationError
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeEngine, UserDefinedType

from penstock.consumer.mapping.field_types import FieldType, field_type, words
from penstock.intents import WriteIntent

Type = TypeEngine[Any]

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]
_WORDS = {"int", "float", "Decimal", "str", "bool", "bytes", "UUID", "IP address"}
_WORDS |= {"date", "time", "datetime", "aware datetime", "naive datetime", "timedelta"}
_NUMBERS = {"float", "Decimal"}
_ITEMS = {"BIGINT", "BOOLEAN", "CIDR", "DATE", "DOUBLE PRECISION", "INET", "INTEGER", "INTERVAL", "MACADDR"}
_ITEMS |= {"MACADDR8", "NUMERIC", "REAL", "SMALLINT", "TEXT", "UUID", "VARCHAR"}
_ITEMS |= {"TIME WITHOUT TIME ZONE", "TIMESTAMP WITH TIME ZONE", "TIMESTAMP WITHOUT TIME ZONE"}

_ESCAPED = re.compile(r"\\(u[0-9a-f]{4}|.)")
_CHARACTERS = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "/": "/"}

# Postgres refuses what is no JSON; null would land.
CONFIG = ConfigDict(ser_json_inf_nan="constants")


def type_name(type_: Type) -> str:
    """Return a type as Postgres calls it."""
    return type_.compile(dialect=_DIALECT)


class Parameter(UserDefinedType[str]):
    """A parameter's text, which Postgres reads as a type that is named."""

    cache_ok = True
    render_bind_cast = True

    def __init__(self, name: str) -> None:
        """Take the type's name, as Postgres calls it."""
        self.name = name

    def get_col_spec(self, **_: Any) -> str:
        """Return the name."""
        return self.name


def travels_as_array(field: FieldType, item: Type) -> bool:
    """Tell whether values of a field are plain, and are read alike in JSON and as items of an array.

    Not those of a type with a length or a precision: a cast to it cuts off what an assignment refuses.

    Args:
        field: the field.
        item: the type that each is read as.
    """
    known = [words(alternative) for alternative in field.alternatives]
    return (
        field.plain
        and all(w and w <= _WORDS for w in known)
        and not _ambiguous(known)
        and type_name(item) in _ITEMS
    )


def _ambiguous(known: Iterable[set[str]]) -> bool:
    """Tell whether a number that is none could be a text that says the same."""
    found = set().union(*known)
    return bool(found & _NUMBERS) and "str" in found


def writer_of(intent: type[WriteIntent], field: str) -> Callable[[Iterable[Any]], str]:
    """Return what writes values of a field as the text of an array.

    It raises `pydantic_core.PydanticSerializationError` where one of them cannot be written.
    """
    info = intent.model_fields[field]
    annotation = Annotated[info.annotation, *info.metadata] if info.metadata else info.annotation
    config = ConfigDict(**{**intent.model_config, **CONFIG})
    serializer = TypeAdapter(list[annotation], config=config).serializer  # type: ignore[valid-type]
    number = any(words(alternative) & _NUMBERS for alternative in field_type(intent, field).alternatives)

    def write(values: Iterable[Any]) -> str:
        # A warning of the serializer's would show the value.
        json = serializer.to_json(list(values), warnings=False).decode()
        if number and ("NaN" in json or "Infinity" in json):
            raise PydanticSerializationError("not a finite number")
        return array_of(json)

    return write


def array_of(json: str) -> str:
    """Turn a JSON list of plain values into an array.

    Raises:
        pydantic_core.PydanticSerializationError: a text holds U+0000, which Postgres has not.
    """
    if "\\" in json:
        json = _ESCAPED.sub(_as_postgres_reads_it, json)
    return f"{{{json[1:-1]}}}"


def _as_postgres_reads_it(match: re.Match[str]) -> str:
    escaped = match[1]
    if escaped == "u0000":
        raise PydanticSerializationError("the character U+0000")
    if len(escaped) > 1:
        return chr(int(escaped[1:], 16))
    return _CHARACTERS.get(escaped, match[0])
