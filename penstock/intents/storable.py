"""Values that JSON or Python can hold but that SQS or Postgres cannot.

Postgres's text and jsonb have no U+0000; neither UTF-8 nor Postgres has lone surrogates; JSON has no NaN and
no infinity. A validator of types lets all of them pass, inside `Any` and `dict` fields at least.
"""

import math
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError, PydanticSerializationError

_UNBOUNDED = {"any", "float", "custom", "function-plain", "is-instance", "json"}
"""Types of schemas (pydantic_core.core_schema) that take a number which may have become infinite."""

Path = tuple[int | str, ...]


def suspect(text: str) -> bool:
    """Tell whether a JSON text may hold an unstorable value: fast, and wrong on the safe side."""
    # A single character is found, or not, many times as fast as a word.
    return (
        ("\\" in text and "\\u0000" in text)
        or ("N" in text and "NaN" in text)
        or ("I" in text and "Infinity" in text)
    )


def overflowed(model: BaseModel) -> bool:
    """Tell whether a model that was read from JSON may hold infinity: `1e999` is a number, in JSON."""
    if not _unbounded(type(model)):
        return False
    try:
        return "Infinity" in model.model_dump_json(warnings=False)
    except PydanticSerializationError:
        return False


@cache
def _unbounded(model: type[BaseModel]) -> bool:
    """Tell whether a class has fields that a number of any size can be read into."""
    schemas: list[Any] = [model.__pydantic_core_schema__]
    while schemas:
        schema = schemas.pop()
        if isinstance(schema, Mapping):
            kind = schema.get("type")  # Of a mapping of fields by name it may be a field.
            if isinstance(kind, str) and kind in _UNBOUNDED:
                return True
            schemas += schema.values()
        elif isinstance(schema, list | tuple):
            schemas += schema
    return False


def refuse_unstorable(model: Any) -> None:
    """Look at every value of a model, or of a dataclass of Pydantic's.

    Raises:
        pydantic.ValidationError: naming each field that holds U+0000, a lone surrogate, NaN or infinity.
    """
    errors = [
        InitErrorDetails(type=PydanticCustomError(word, message), loc=path, input=None)
        for path, word, message in unstorable(model.__pydantic_serializer__.to_python(model, warnings=False))
    ]
    if errors:
        raise ValidationError.from_exception_data(type(model).__name__, errors, "json", hide_input=True)


def json_of(model: BaseModel) -> str:
    """Dump a model as a JSON text that SQS takes.

    Raises:
        pydantic.ValidationError: naming each field that cannot be stored.
    """
    try:
        text = model.model_dump_json(by_alias=True, warnings=False)
    except PydanticSerializationError:
        refuse_unstorable(model)
        raise
    if suspect(text):
        refuse_unstorable(model)
    # The two characters that SQS refuses and that JSON does not escape by itself (SQS: SendMessage).
    return text.replace("\ufffe", "\\ufffe").replace("\uffff", "\\uffff")


def unchanged(before: Any, after: Any) -> bool:
    """Tell whether a value came back from JSON as it was.

    Python calls two times unequal that are the same instant in different zones, if one of them is in an hour that
    a clock repeats (PEP 495, "Inter-zone comparison"); JSON has offsets in place of zones.
    """
    if before == after:
        return True
    if isinstance(before, datetime) and isinstance(after, datetime):
        return _on_the_wall(before) == _on_the_wall(after)
    if isinstance(before, BaseModel) and type(before) is type(after):
        names = type(before).model_fields
        return all(unchanged(getattr(before, name), getattr(after, name)) for name in names)
    if isinstance(before, dict) and isinstance(after, dict):
        return before.keys() == after.keys() and all(unchanged(before[key], after[key]) for key in before)
    if isinstance(before, list | tuple) and type(before) is type(after):
        return len(before) == len(after) and all(map(unchanged, before, after))
    return False


def _on_the_wall(time: datetime) -> tuple[datetime, timedelta | None]:
    return time.replace(tzinfo=None, fold=0), time.utcoffset()


def unstorable(value: Any, path: Path = ()) -> Iterator[tuple[Path, str, str]]:
    """Find what cannot be stored: the path to each such value, a word for the fault, and a sentence."""
    if isinstance(value, str):
        yield from ((path, word, message) for word, message in _text_faults(value))
    elif isinstance(value, float) and not math.isfinite(value):
        yield path, "finite_number", "Input should be a finite number"
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from unstorable(key, (*path, "(key)")) if isinstance(key, str) else ()
            yield from unstorable(inner, (*path, str(key).encode(errors="replace").decode()))
    elif isinstance(value, list | tuple | set | frozenset):
        for index, inner in enumerate(value):
            yield from unstorable(inner, (*path, index))


def _text_faults(text: str) -> Iterator[tuple[str, str]]:
    if "\x00" in text:
        yield "nul_character", "Text should not contain the character U+0000"
    try:
        text.encode()
    except UnicodeEncodeError:
        yield "lone_surrogate", "Text should not contain a lone surrogate"
