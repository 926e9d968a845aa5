"""Which types the values of a field may have, from its annotation."""

import ipaddress
from collections.abc import Collection, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, is_dataclass, replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NewType, Union, get_args, get_origin, get_type_hints
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
from typing_extensions import is_typeddict

from penstock.intents import Sensitive, UtcDatetime, WriteIntent
from penstock.intents.sensitive import is_sensitive

IDENTITY: dict[str, Any] = {"intent_id": UUID, "intent_time": AwareDatetime}
"""What every intent has besides its fields. A column of that name gets it."""

_SERIALIZERS = (PlainSerializer, WrapSerializer, EncodedBytes, GetPydanticSchema)

# The first entry that fits a type counts. In Python a bool is an int and a datetime is a date, in Postgres not.
_NAMES: tuple[tuple[type[Any], str], ...] = (
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
    """The types of one field, or of one item of a list.

    Attributes:
        alternatives: the types that a value may have, except `None`.
        optional: whether it may be `None`.
        validated: whether it has a custom validator, which may be stricter than the annotation.
        serialized: whether it has a custom serializer, which may write any form.
        plain: whether no custom code has an influence on its form.
        sensitive: whether it is `Sensitive`: its types are those of its text.
        deterministic: whether the same message always gives the same text. That is not so for sets, and for a
            `default_factory`.
    """

    alternatives: tuple[Any, ...]
    optional: bool
    validated: bool
    serialized: bool
    plain: bool
    deterministic: bool
    sensitive: bool = False

    @classmethod
    def of(cls, annotation: Any, metadata: Iterable[Any] = ()) -> "FieldType":
        """Return the types of an annotation."""
        marks = list(metadata)
        types = list(_alternatives(annotation, marks))
        return cls(
            alternatives=tuple(type_ for type_ in types if type_ is not NoneType),
            optional=NoneType in types,
            validated=any(hasattr(mark, "__get_pydantic_core_schema__") for mark in marks),
            serialized=any(isinstance(mark, _SERIALIZERS) for mark in marks),
            plain=not any(_is_custom(thing) for thing in [*types, *marks]),
            deterministic=not _contains_set(annotation),
            sensitive=is_sensitive(annotation),
        )

    @property
    def is_list(self) -> bool:
        """Whether a value may be a list."""
        return any("list" in type_names(alternative) for alternative in self.alternatives)

    @property
    def items(self) -> "list[FieldType]":
        """The types of the items of its lists; empty if the annotation does not say."""
        lists = [alternative for alternative in self.alternatives if "list" in type_names(alternative)]
        return [FieldType.of(item) for list_ in lists for item in get_args(list_) if item is not ...]


def field_type(intent: type[WriteIntent], name: str) -> FieldType:
    """Return the types of a field; `intent_id` and `intent_time` count as fields."""
    if name in IDENTITY:
        return FieldType.of(IDENTITY[name])
    field = intent.model_fields[name]
    own = intent.__pydantic_decorators__
    found = FieldType.of(field.annotation, field.metadata)
    validated = bool(own.model_validators) or _applies(own.field_validators, name)
    serialized = found.serialized or bool(own.model_serializers) or _applies(own.field_serializers, name)
    return replace(
        found,
        validated=found.validated or validated,
        serialized=serialized,
        plain=found.plain and not validated and not serialized,
        deterministic=found.deterministic and field.default_factory is None,
    )


def contains_set(intent: type[WriteIntent], name: str) -> bool:
    """Return whether the text of a field has the order of a set, which differs between processes."""
    if name in IDENTITY or field_type(intent, name).serialized:
        return False
    return _contains_set(intent.model_fields[name].annotation)


def type_names(alternative: Any) -> set[str]:
    """Return the names of a type as `_NAMES` has them: one, several for an enum, none if it is not known."""
    values = values_of(alternative)
    if values:
        return {name for value in values for name in type_names(type(value))}
    class_ = get_origin(alternative) or alternative
    if not isinstance(class_, type) or issubclass(class_, RootModel):
        return set()
    if is_typeddict(class_) or is_dataclass(class_):
        return {"object"}
    return next(({name} for known, name in _NAMES if issubclass(class_, known)), set())


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
    elif origin is Sensitive:
        yield from _alternatives(get_args(annotation)[0], marks)
    elif hasattr(annotation, "__value__"):  # a type alias, of `typing` or of `typing_extensions`
        yield from _alternatives(annotation.__value__, marks)
    else:
        yield NoneType if annotation is None else annotation


_PLAIN: tuple[Any, ...] = (AwareDatetime, NaiveDatetime, *get_args(UtcDatetime), Strict)


def _is_custom(thing: Any) -> bool:
    """Return whether a type or a mark may change values, or the form in which they are written."""
    if thing in _PLAIN or isinstance(thing, Strict):
        return False
    class_ = thing if isinstance(thing, type) else type(thing)
    return hasattr(class_, "__get_pydantic_core_schema__")


def _contains_set(annotation: Any) -> bool:
    """Return whether a type contains a set, whose order differs between processes."""
    waiting, seen = [annotation], []
    while waiting:
        one = waiting.pop()
        class_ = get_origin(one) or one
        if isinstance(class_, type) and issubclass(class_, AbstractSet):
            return True
        # A model may contain itself. Not every type can be hashed.
        if one not in seen:
            seen.append(one)
            waiting += [*get_args(one), *_types_inside(class_)]
    return False


def _types_inside(class_: Any) -> Iterator[Any]:
    """Yield the types of the fields of a model, a dataclass or a typed dict, and what another name stands for."""
    if isinstance(class_, type) and issubclass(class_, BaseModel):
        yield from (field.annotation for field in class_.model_fields.values())
    elif is_typeddict(class_) or is_dataclass(class_):
        try:
            yield from get_type_hints(class_).values()
        except NameError:  # A name of a function's own, which Pydantic has found and Python does not.
            yield from class_.__annotations__.values()
    elif isinstance(class_, NewType):
        yield class_.__supertype__
    elif hasattr(class_, "__value__"):
        yield class_.__value__


def _applies(decorators: Mapping[str, Any], field: str) -> bool:
    return any({field, "*"} & {*decorator.info.fields} for decorator in decorators.values())
