"""Values that JSON or Python can represent but that SQS or Postgres cannot store.

Postgres does not allow U+0000 in text and jsonb; UTF-8 and Postgres have no lone surrogates; JSON has no NaN and
no infinity. Pydantic accepts all of them, at least in fields of type `Any` and `dict`.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError, PydanticSerializationError

from penstock.intents.sensitive import REVEALED, revealed

_UNBOUNDED = {"any", "float", "custom", "function-plain", "is-instance", "json"}
"""The schema types (pydantic_core.core_schema) that accept a number which may be infinite."""

Path = tuple[int | str, ...]


def may_be_unstorable(text: str) -> bool:
    """Return whether a JSON text may contain an unstorable value. This is fast; false positives are possible."""
    # To search for a single character is many times as fast as to search for a word.
    return (
        ("\\" in text and "\\u0000" in text)
        or ("N" in text and "NaN" in text)
        or ("I" in text and "Infinity" in text)
    )


def overflowed(model: BaseModel) -> bool:
    """Return whether a model decoded from JSON may contain infinity: `1e999` is a valid number in JSON."""
    if not _has_unbounded_number(type(model)):
        return False
    try:
        return "Infinity" in model.model_dump_json(warnings=False, context=REVEALED)
    except PydanticSerializationError:
        return False


@cache
def _has_unbounded_number(model: type[BaseModel]) -> bool:
    """Return whether a class has a field that accepts numbers of any size."""
    schemas: list[Any] = [model.__pydantic_core_schema__]
    while schemas:
        schema = schemas.pop()
        if isinstance(schema, Mapping):
            kind = schema.get("type")  # In a mapping of fields by name, `type` may be a field.
            if isinstance(kind, str) and kind in _UNBOUNDED:
                return True
            schemas += schema.values()
        elif isinstance(schema, list | tuple):
            schemas += schema
    return False


def refuse_unstorable(model: Any) -> None:
    """Check every value of a Pydantic model or dataclass.

    Raises:
        pydantic.ValidationError: a field contains U+0000, a lone surrogate, NaN or infinity; it names each such
            field.
    """
    errors = [
        InitErrorDetails(type=PydanticCustomError(type_, message), loc=path, input=None)
        for path, type_, message in unstorable(model.__pydantic_serializer__.to_python(model, warnings=False))
    ]
    if errors:
        raise ValidationError.from_exception_data(type(model).__name__, errors, "json", hide_input=True)


def json_of(model: BaseModel, *, exclude: Iterable[str] = ()) -> str:
    """Write a model as a JSON text that SQS accepts, with the plaintext of `Sensitive` fields.

    Args:
        model: the model.
        exclude: the names of the fields to leave out.

    Raises:
        pydantic.ValidationError: a field cannot be stored; it names each such field.
    """
    try:
        text = model.model_dump_json(by_alias=True, warnings=False, exclude={*exclude}, context=REVEALED)
    except PydanticSerializationError:
        refuse_unstorable(model)
        raise
    if may_be_unstorable(text):
        refuse_unstorable(model)
    # SQS refuses these two characters, and JSON does not require them to be escaped (SQS: SendMessage).
    return text.replace("\ufffe", "\\ufffe").replace("\uffff", "\\uffff")


def unchanged(before: Any, after: Any) -> bool:
    """Return whether a value is the same after a round trip through JSON.

    `==` is not enough for times. JSON has an offset in place of a zone, and Python compares equal instants in
    different zones as unequal if one of them is in a repeated hour (PEP 495, "Inter-zone comparison").
    """
    if _equal(before, after):
        return True
    if isinstance(before, datetime) and isinstance(after, datetime):
        return _wall_clock(before) == _wall_clock(after)
    if isinstance(before, BaseModel) and type(before) is type(after):
        names = type(before).model_fields
        return all(unchanged(getattr(before, name), getattr(after, name)) for name in names)
    if isinstance(before, dict) and isinstance(after, dict):
        return before.keys() == after.keys() and all(unchanged(before[key], after[key]) for key in before)
    if isinstance(before, list | tuple) and type(before) is type(after):
        return len(before) == len(after) and all(map(unchanged, before, after))
    return False


def _equal(before: Any, after: Any) -> bool:
    if isinstance(before, BaseModel) and type(before) is type(after):
        # `==` of models takes five times as long if one of them knows its id by now, which is no field.
        return vars(after).items() <= vars(before).items()
    return bool(before == after)


def _wall_clock(time: datetime) -> tuple[datetime, timedelta | None]:
    return time.replace(tzinfo=None, fold=0), time.utcoffset()


def unstorable(value: Any, path: Path = ()) -> Iterator[tuple[Path, str, str]]:
    """Find the values that cannot be stored: the path to each, the error type and the message."""
    value = revealed(value)
    if isinstance(value, str):
        yield from ((path, type_, message) for type_, message in _text_errors(value))
    elif isinstance(value, float) and not math.isfinite(value):
        yield path, "finite_number", "Input should be a finite number"
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from unstorable(key, (*path, "(key)")) if isinstance(key, str) else ()
            yield from unstorable(inner, (*path, str(key).encode(errors="replace").decode()))
    elif isinstance(value, list | tuple | set | frozenset):
        for index, inner in enumerate(value):
            yield from unstorable(inner, (*path, index))


def _text_errors(text: str) -> Iterator[tuple[str, str]]:
    if "\x00" in text:
        yield "nul_character", "Text should not contain the character U+0000"
    try:
        text.encode()
    except UnicodeEncodeError:
        yield "lone_surrogate", "Text should not contain a lone surrogate"
