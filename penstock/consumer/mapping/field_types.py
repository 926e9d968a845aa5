"""What a field of an intent may hold: its annotation, taken apart."""

import ipaddress
from collections.abc import Collection, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, is_dataclass, replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NewType, Union, get_args, get_origin, is_typeddict
from uuid import UUID

from pydantic import (
    AwareDatetime,
    BaseModel,
    EncodedBytes,
    GetPydanticSchema,
    NaiveDatetime,
    PlainSerializer,
    RootModel,
    Secret,
    SecretBytes,
    SecretStr,
    Strict,
    WrapSerializer,
)

from penstock.intents import UtcDatetime, WriteIntent

IDENTITY: dict[str, Any] = {"intent_id": UUID, "intent_time": AwareDatetime}
"""What every intent has beside its fields; a column of that name gets it."""

_SERIALIZERS = (PlainSerializer, WrapSerializer, EncodedBytes, GetPydanticSchema)


# The first that a field's type is of. A bool is an int and a datetime is a date to Python, not to Postgres.
_WORDS: tuple[tuple[type[Any], str], ...] = (
    (AwareDatetime, "aware datetime"),
    (NaiveDatetime, "naive datetime"),
    (SecretStr, "secret"),
    (SecretBytes, "secret"),
    (Secret, "secret"),
    (bool, "bool"),
    (int, "int"),
    (float, "float"),
    (Decimal, "Decimal"),
    (str, "str"),
    (bytes, "bytes"),
    (bytearray, "bytes"),
    (datetime, "datetime"),
    (date, "date"),
    (time, "time"),
    (timedelta, "timedelta"),
    (UUID, "UUID"),
    (ipaddress.IPv4Address, "IP address"),
    (ipaddress.IPv6Address, "IP address"),
    (ipaddress.IPv4Network, "IP address"),
    (ipaddress.IPv6Network, "IP address"),
    (Mapping, "object"),
    (BaseModel, "object"),
    (Collection, "list"),
)


@dataclass(frozen=True, slots=True)
class FieldType:
    """What one field, or one item of a list, may hold.

    Attributes:
        alternatives: the types that it may be of, `None` apart.
        optional: whether it may be `None`.
        validated: whether a validator of the user's looks at it, and may know more than the annotation says.
        serialized: whether a serializer of the user's writes it, in a form that nothing is known of.
        plain: whether nothing of the user's has a say in what it is written as.
        settled: whether the same message makes the same text of it, whenever it is read: not so of sets, nor of
            what a function fills in.
    """

    alternatives: tuple[Any, ...]
    optional: bool
    validated: bool
    serialized: bool
    plain: bool
    settled: bool

    @classmethod
    def of(cls, annotation: Any, metadata: Iterable[Any] = ()) -> "FieldType":
        """Take an annotation apart."""
        marks = list(metadata)
        types = list(_alternatives(annotation, marks))
        return cls(
            alternatives=tuple(type_ for type_ in types if type_ is not NoneType),
            optional=NoneType in types,
            validated=any(hasattr(mark, "__get_pydantic_core_schema__") for mark in marks),
            serialized=any(isinstance(mark, _SERIALIZERS) for mark in marks),
            plain=not any(_has_a_say(thing) for thing in [*types, *marks]),
            settled=not _holds_sets(annotation),
        )

    @property
    def is_list(self) -> bool:
        """Whether it may be a list."""
        return any("list" in words(alternative) for alternative in self.alternatives)

    @property
    def items(self) -> "list[FieldType]":
        """What the items of its lists may hold; nothing where that is not said."""
        lists = [alternative for alternative in self.alternatives if "list" in words(alternative)]
        return [FieldType.of(item) for list_ in lists for item in get_args(list_) if item is not ...]


def field_type(intent: type[WriteIntent], name: str) -> FieldType:
    """Tell what a field may hold; `intent_id` and `intent_time` count as fields."""
    if name in IDENTITY:
        return FieldType.of(IDENTITY[name])
    field = intent.model_fields[name]
    own = intent.__pydantic_decorators__
    found = FieldType.of(field.annotation, field.metadata)
    validated = bool(own.model_validators) or _named(own.field_validators, name)
    serialized = found.serialized or bool(own.model_serializers) or _named(own.field_serializers, name)
    return replace(
        found,
        validated=found.validated or validated,
        serialized=serialized,
        plain=found.plain and not validated and not serialized,
        settled=found.settled and field.default_factory is None,
    )


def words(alternative: Any) -> set[str]:
    """Name what a type is written as: a word of this module's list, several, or none if it is not known."""
    values = values_of(alternative)
    if values:
        return {word for value in values for word in words(type(value))}
    class_ = get_origin(alternative) or alternative
    if not isinstance(class_, type) or issubclass(class_, RootModel):
        return set()
    if is_typeddict(class_) or is_dataclass(class_):
        return {"object"}
    return next(({word} for known, word in _WORDS if issubclass(class_, known)), set())


def values_of(alternative: Any) -> list[Any]:
    """Return the values of a type that lists them: an `Enum`, a `Literal`."""
    if get_origin(alternative) is Literal:
        return [value.value if isinstance(value, Enum) else value for value in get_args(alternative)]
    if isinstance(alternative, type) and issubclass(alternative, Enum):
        return [member.value for member in alternative]
    return []


def _alternatives(annotation: Any, marks: list[Any]) -> Iterator[Any]:
    origin = get_origin(annotation)
    if origin is Annotated:
        annotation, *more = get_args(annotation)
        marks += more
        yield from _alternatives(annotation, marks)
    elif origin in (Union, UnionType):
        for alternative in get_args(annotation):
            yield from _alternatives(alternative, marks)
    elif isinstance(annotation, NewType):
        yield from _alternatives(annotation.__supertype__, marks)
    elif hasattr(annotation, "__value__"):  # a type alias, of `typing` or of `typing_extensions`
        yield from _alternatives(annotation.__value__, marks)
    else:
        yield NoneType if annotation is None else annotation


_PLAIN: tuple[Any, ...] = (AwareDatetime, NaiveDatetime, *get_args(UtcDatetime), Strict)


def _has_a_say(thing: Any) -> bool:
    """Tell whether a type or a mark may change what values are, or how they are written."""
    if thing in _PLAIN or isinstance(thing, Strict):
        return False
    class_ = thing if isinstance(thing, type) else type(thing)
    return hasattr(class_, "__get_pydantic_core_schema__")


def _holds_sets(annotation: Any) -> bool:
    """Tell whether there is a set anywhere in a type, whose order is another one in each process."""
    class_ = get_origin(annotation) or annotation
    if isinstance(class_, type):
        if issubclass(class_, AbstractSet):
            return True
        if issubclass(class_, BaseModel):
            return any(_holds_sets(field.annotation) for field in class_.model_fields.values())
    return any(_holds_sets(inner) for inner in get_args(annotation))


def _named(decorators: Mapping[str, Any], field: str) -> bool:
    return any({field, "*"} & {*decorator.info.fields} for decorator in decorators.values())
