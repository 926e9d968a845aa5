"""Values that JSON or Python can hold but that SQS or Postgres cannot.

Postgres's text and jsonb have no U+0000; neither UTF-8 nor Postgres has lone surrogates; JSON has no NaN and
no infinity. A validator of types lets all of them pass, inside `Any` and `dict` fields at least.
"""

import math
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError, PydanticSerializationError

_SUSPECT = ("\\u0000", "NaN", "Infinity")

Path = tuple[int | str, ...]


def suspect(text: str) -> bool:
    """Tell whether a JSON text may hold an unstorable value: fast, and wrong on the safe side."""
    return any(mark in text for mark in _SUSPECT)


def refuse_unstorable(model: BaseModel) -> None:
    """Look at every value of a model.

    Raises:
        pydantic.ValidationError: naming each field that holds U+0000, a lone surrogate, NaN or infinity.
    """
    errors = [
        InitErrorDetails(type=PydanticCustomError(word, message), loc=path, input=None)
        for path, word, message in unstorable(model.model_dump(mode="python"))
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
