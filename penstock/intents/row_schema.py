"""How the data of a kind is read as a dict, without an object of the class: the same fields, by the same rules.

The id and the times of most intents are in the one form that Penstock writes. A text in that form needs no object,
because Postgres reads it as the same value. Only what is certain to be read alike is read so. A class with code of
its own in its validation has no such schema.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from enum import Enum
from functools import cache
from typing import Any, Final
from uuid import UUID

from pydantic import TypeAdapter
from pydantic_core import CoreSchema, SchemaSerializer, core_schema

from penstock.intents.intent import WriteIntent
from penstock.intents.utc_datetime import UtcDatetime

_Schema = Mapping[str, Any]

_YEAR = "(?:000[1-9]|00[1-9][0-9]|0[1-9][0-9]{2}|[1-9][0-9]{3})"
_DAY = (
    "(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    "|02-(?:0[1-9]|1[0-9]|2[0-8]))"
)
# Without those of centuries: of these only every fourth is a leap year.
_LEAP_DAY = "[0-9]{2}(?:0[48]|[2468][048]|[13579][26])-02-29"
_TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6})?(?:Z|\+00:00)"

UUID_TEXT: Final = core_schema.str_schema(
    pattern="^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$", strict=True
)
"""A UUID in the form of RFC 9562, in lower case."""

TIME_TEXT: Final = core_schema.str_schema(pattern=f"^(?:{_YEAR}-{_DAY}|{_LEAP_DAY})T{_TIME}$", strict=True)
"""A time in UTC in the form of RFC 3339, of a day that exists: Python and Postgres read the same in it."""

_ALWAYS = frozenset({"type", "metadata", "ref", "strict"})
"""The keys of a core schema that change nothing, and `strict`, which every one may have."""

_LENGTHS = frozenset({"min_length", "max_length"})
_BOUNDS = frozenset({"ge", "gt", "le", "lt", "multiple_of"})
_TIMES = frozenset({"ge", "gt", "le", "lt", "microseconds_precision"})
_KNOWN: Final[Mapping[str, frozenset[str]]] = {
    "any": frozenset(),
    "bool": frozenset(),
    "bytes": _LENGTHS,
    "date": _TIMES,
    "datetime": _TIMES | {"tz_constraint"},
    "decimal": _BOUNDS | {"max_digits", "decimal_places"},
    "default": frozenset({"schema", "default", "copy_default"}),
    "dict": _LENGTHS | {"keys_schema", "values_schema"},
    "enum": frozenset({"cls", "members", "sub_type"}),
    "float": _BOUNDS,
    "int": _BOUNDS,
    "list": _LENGTHS | {"items_schema"},
    "literal": frozenset({"expected"}),
    "model": frozenset({"cls", "config", "schema"}),
    "model-field": frozenset({"schema", "validation_alias", "serialization_alias", "frozen"}),
    "model-fields": frozenset({"fields", "model_name"}),
    "none": frozenset(),
    "nullable": frozenset({"schema"}),
    "str": _LENGTHS | {"pattern", "strip_whitespace", "to_lower", "to_upper"},
    "time": _TIMES | {"tz_constraint"},
    "timedelta": _TIMES,
    "union": frozenset({"choices", "mode"}),
    "uuid": frozenset({"version"}),
}
"""The core schemas that run no code of a service, each with what it may say besides."""

_INNER: Final = ("schema", "items_schema", "keys_schema", "values_schema")

_CONFIG: Final = frozenset({"title", "strict", "hide_input_in_errors", "extra_fields_behavior", "allow_inf_nan"})
"""What the configuration of a model inside of an intent may say."""

_WRAPPERS: Final = frozenset({"default", "nullable"})
_TITLE: Final = "title"


class _UnknownSchema(Exception):
    """It is not certain that a class can be read without an object of it."""


@cache
def row_schema(intent: type[WriteIntent]) -> CoreSchema | None:
    """Return the schema that reads the data of a kind as a dict by the names of its fields; None if there is none.

    The values are those of the class, apart from the fields that are left as texts: see `text_fields`.
    """
    try:
        fields = {name: _field(field) for name, field in _fields(intent).items()}
    except _UnknownSchema:
        return None
    config: Any = intent.__pydantic_core_schema__
    return core_schema.typed_dict_schema(fields, config=config["config"], extra_behavior="forbid", strict=True)


@cache
def text_fields(intent: type[WriteIntent]) -> Mapping[str, type[UUID | datetime]]:
    """Return the fields whose values `row_schema` leaves as texts, and the type of each."""
    if row_schema(intent) is None:
        return {}
    types = {name: _text_type(field["schema"]) for name, field in _fields(intent).items()}
    return {name: type_ for name, type_ in types.items() if type_}


def row_of(data: WriteIntent) -> dict[str, Any]:
    """Return the fields of an intent of such a kind, as `row_schema` would read them."""
    texts = text_fields(type(data))
    return {name: _text_of(value) if name in texts else value for name, value in _values(data)}


@cache
def row_serializer(intent: type[WriteIntent]) -> SchemaSerializer:
    """Return what writes a list of such dicts as JSON, as the objects are written. A time has to be an object."""
    fields = {name: core_schema.typed_dict_field(field["schema"]) for name, field in _fields(intent).items()}
    config: Any = intent.__pydantic_core_schema__
    row = core_schema.typed_dict_schema(fields)
    # Inside of a typed dict, Pydantic writes by the configuration of what is around it.
    return SchemaSerializer(core_schema.list_schema(row), config["config"])


def _values(data: WriteIntent) -> Iterable[tuple[str, Any]]:
    return ((name, getattr(data, name)) for name in type(data).model_fields)


def _text_of(value: UUID | datetime | None) -> str | None:
    if value is None:
        return None
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _fields(intent: type[WriteIntent]) -> Mapping[str, _Schema]:
    """Return the fields of a class that has nothing but fields."""
    model: Any = intent.__pydantic_core_schema__
    _require(model, "model")
    _require(model["schema"], "model-fields")
    if _without_title(model["config"]) != _config():
        raise _UnknownSchema
    fields: Mapping[str, _Schema] = model["schema"]["fields"]
    return fields


def _field(field: _Schema) -> core_schema.TypedDictField:
    _require(field, "model-field")
    alias = field.get("validation_alias")
    if not isinstance(alias, str | None):
        raise _UnknownSchema
    _check(field["schema"])
    return core_schema.typed_dict_field(_with_texts(field["schema"]), validation_alias=alias)


def _check(schema: _Schema) -> None:
    """Refuse a schema that is not known, at any depth.

    Raises:
        _UnknownSchema: there is one.
    """
    if schema == utc_schema():
        return
    if schema["type"] not in _KNOWN:
        raise _UnknownSchema
    _require(schema, schema["type"])
    for inner in _inner(schema):
        _check(inner)
    if not _PLAIN.get(schema["type"], bool)(schema):
        raise _UnknownSchema


def _is_plain_model(schema: _Schema) -> bool:
    """Return whether a model inside of an intent, which stays an object, has no configuration that matters."""
    config = schema.get("config", {})
    bounded = config.get("allow_inf_nan") is False or "float" not in _types(schema)
    return config.keys() <= _CONFIG and config.get("extra_fields_behavior") != "allow" and bounded


def _types(schema: _Schema) -> set[str]:
    return {schema["type"]}.union(*map(_types, _inner(schema)))


def _is_plain_enum(schema: _Schema) -> bool:
    class_ = schema["cls"]
    missing = getattr(class_._missing_, "__func__", None)
    return missing is Enum._missing_.__func__  # type: ignore[attr-defined]


def _inner(schema: _Schema) -> Iterable[_Schema]:
    yield from (schema[name] for name in _INNER if name in schema)
    yield from (one[0] if isinstance(one, tuple) else one for one in schema.get("choices", ()))
    if schema["type"] == "model-fields":
        yield from schema["fields"].values()


_PLAIN: Final[Mapping[str, Callable[[_Schema], bool]]] = {"enum": _is_plain_enum, "model": _is_plain_model}


def _require(schema: _Schema, type_: str) -> None:
    """Refuse a schema of another type, or that says more than is known; what is false or empty says nothing."""
    said = {key for key, value in schema.items() if not (value is None or value is False or value in ([], {}))}
    if schema["type"] != type_ or not said <= _KNOWN[type_] | _ALWAYS:
        raise _UnknownSchema


def _text_type(schema: _Schema) -> type[UUID | datetime] | None:
    if schema["type"] in _WRAPPERS:
        return _text_type(schema["schema"])
    if schema == utc_schema():
        return datetime
    return UUID if schema["type"] == "uuid" and "version" not in schema else None


def _with_texts(schema: _Schema) -> Any:
    """Return the schema that leaves a UUID, or a time, as a text."""
    type_ = _text_type(schema)
    if type_ is None:
        return schema
    if schema["type"] in _WRAPPERS:
        if schema.get("default") is not None:
            raise _UnknownSchema
        return {**schema, "schema": _with_texts(schema["schema"])}
    return UUID_TEXT if type_ is UUID else TIME_TEXT


@cache
def utc_schema() -> _Schema:
    """Return the core schema of `UtcDatetime`."""
    return TypeAdapter(UtcDatetime).core_schema


@cache
def _config() -> _Schema:
    model: Any = WriteIntent.__pydantic_core_schema__
    return _without_title(model["config"])


def _without_title(config: _Schema) -> _Schema:
    return {name: value for name, value in config.items() if name != _TITLE}
