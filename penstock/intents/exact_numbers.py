"""Numbers of a JSON text, kept to the last digit.

A JSON parser reads a number with a fraction or an exponent as a double (RFC 8259, section 6), and Pydantic makes a
`Decimal` of that double: 12345678901234567.89 would become 12345678901234568. Here such a number is read again, as
the text that it is. Where that is impossible, as in a field of any type, it is refused. It is never changed.
"""

import json
import re
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Set
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError, SchemaValidator, core_schema

from penstock.expressions.exact_json import ExactJsonError, Number
from penstock.expressions.exact_json import read as read_json
from penstock.intents.fault_paths import first_names
from penstock.intents.same_types import same_types

T = TypeVar("T")

MAYBE_INEXACT = re.compile(r"[:\[,\s]-?(?:\d[\d.]{15,}|\d+(?:\.\d+)?[eE])[-+.\deE]*")
"""A number of 16 digits or more, or with an exponent, and the character before it.

A double holds any number of 15 digits (IEEE 754).
"""

_READ_DECIMAL: Final = SchemaValidator(core_schema.decimal_schema()).validate_json
_MOST_AMBIGUOUS: Final = 20
"""How many ambiguous numbers of a message are read once more. If it has more, it is refused: that takes time."""

_DECIMAL = "decimal"
_UNTYPED = frozenset({"any", "custom", "function-plain", "is-instance", "json"})
"""Core schemas that take a number as it was parsed."""


def read_exactly(read: Callable[[str], T], text: str, intent: type[BaseModel], *, at: tuple[str, ...] = ()) -> T:
    """Validate a JSON text, and keep every digit of its numbers.

    Args:
        read: validates a text.
        text: the JSON text.
        intent: the model that the numbers belong to.
        at: the keys that lead to that model's object in the text; none if the text is that object.

    Returns:
        What `read` makes of the text.

    Raises:
        pydantic.ValidationError: the text is not valid, or a number in it cannot be kept.
    """
    value = read(text)
    if not may_be_inexact(text, intent):
        return value
    try:
        tree = read_json(text)
    except ExactJsonError:  # It holds NaN or an infinity.
        raise _refusal(intent, [at]) from None
    data = tree
    for key in at:
        data = data[key]
    exact, inner, decimal = _exact_fields(intent), _json_fields(intent), _decimal_fields(intent)
    in_texts = [name for name in data if name in inner and _in_text(data[name], decimal=name in decimal)]
    names = [name for name in data if name in exact and _is_inexact(data[name])]
    data |= {name: _as_text(data[name]) for name in names}
    ambiguous = {name: [*_ambiguous(data, name)] for name in data if name in decimal}
    places = [place for found in ambiguous.values() for place in found]
    kept = _read_alike(read, tree, value) if names else value
    if kept is None or in_texts or len(places) > _MOST_AMBIGUOUS:
        found = (name for name in data if name in {*names, *in_texts} or ambiguous.get(name))
        raise _refusal(intent, [(*at, name) for name in found])
    return _read_ambiguous(read, tree, kept, places)


def _read_ambiguous(read: Callable[[str], T], tree: Any, kept: T, places: Iterable[tuple[Any, Any]]) -> T:
    """Validate a tree once more for each ambiguous number in it, with the text of that number in its place."""
    for holder, key in places:
        number = holder[key]
        holder[key] = number.text
        exactly = _read_alike(read, tree, kept)
        if exactly is None:  # It is no Decimal, and a double keeps it.
            holder[key] = number
        else:
            kept = exactly
    return kept


def _read_alike(read: Callable[[str], T], tree: Any, value: T) -> T | None:
    """Validate a tree; None if that makes other types of it than a value has."""
    try:
        kept = read(json.dumps(tree))
    except Exception:  # noqa: BLE001 (a validator that expects a number may raise anything)
        return None
    return kept if same_types(value, kept) else None


def may_be_inexact(text: str, intent: type[BaseModel], *, any_version: bool = False) -> bool:
    """Return whether a text may hold a number that a double changes, in a field that would show it.

    Args:
        text: the JSON text.
        intent: the model that the numbers belong to.
        any_version: whether its fields may have other names in the text.
    """
    if not _exact_fields(intent):
        return False
    if _json_fields(intent):
        return True
    # Such a field is usually given as a string. To look for its name is much faster than the other search, and a
    # long number in another field does not matter.
    given = None if any_version else _given_as_number(intent)
    if given and "\\u" not in text and not given.search(text):
        return False
    if any_version or _decimal_fields(intent):
        return MAYBE_INEXACT.search(text) is not None
    return any(_is_changed(found[1:]) for found in MAYBE_INEXACT.findall(text))


def _is_changed(number: str) -> bool:
    """Return whether a parser changes a number, which it does if it makes a double of it; of no number, True."""
    if number.lstrip("-").isdecimal():
        return False
    try:
        return Decimal(repr(float(number))) != Decimal(number)
    except (ValueError, InvalidOperation):  # It is in a text, or has an exponent that a Decimal does not have.
        return True


def has_exact_fields(intent: type[BaseModel]) -> bool:
    """Return whether a class has a field that would show a number that a double changes."""
    return bool(_exact_fields(intent))


def has_inexact(text: str) -> bool:
    """Return whether a text holds a number that a double changes, or is no JSON."""
    try:
        return _is_inexact(read_json(text))
    except ExactJsonError:
        return True


def _is_inexact(value: Any) -> bool:
    """Return whether a value is, or contains, a number that a double changes."""
    if isinstance(value, Number):
        return _is_changed(value.text)
    if isinstance(value, dict):
        return any(map(_is_inexact, value.values()))
    return isinstance(value, list) and any(map(_is_inexact, value))


def _ambiguous(holder: Any, key: Any) -> Iterator[tuple[Any, Any]]:
    """Yield the place of each number, at a key or below, that a double keeps and a Decimal of Pydantic's does not.

    Of two numbers of 16 digits that are as near to the same double, Python writes one, and Pydantic the other.
    """
    value = holder[key]
    if isinstance(value, Number):
        if not _is_inexact(value) and _READ_DECIMAL(value.text) != Decimal(value.text):
            yield holder, key
    elif isinstance(value, dict | list):
        for inner in value if isinstance(value, dict) else range(len(value)):
            yield from _ambiguous(value, inner)


def _in_text(value: Any, *, decimal: bool) -> bool:
    """Return whether a text in a value is itself JSON (`pydantic.Json`) with a number that is changed."""
    if isinstance(value, str):
        try:
            inner = read_json(value)
        except ExactJsonError:
            return False
        changed = _is_inexact(inner) or (decimal and any(_ambiguous([inner], 0)))
        return changed or _in_text(inner, decimal=decimal)
    if isinstance(value, dict):
        return any(_in_text(item, decimal=decimal) for item in value.values())
    return isinstance(value, list) and any(_in_text(item, decimal=decimal) for item in value)


def _as_text(value: Any) -> Any:
    """Replace each number that a double changes by its text."""
    if isinstance(value, Number):
        return value.text if _is_inexact(value) else value
    if isinstance(value, dict):
        return {name: _as_text(item) for name, item in value.items()}
    return [_as_text(item) for item in value] if isinstance(value, list) else value


def _refusal(intent: type[BaseModel], paths: list[tuple[str, ...]]) -> ValidationError:
    error = PydanticCustomError(
        "inexact_number", "Number has more digits than JSON numbers keep: give it as a string"
    )
    errors: list[InitErrorDetails] = [InitErrorDetails(type=error, loc=path, input=None) for path in paths]
    return ValidationError.from_exception_data(intent.__name__, errors, "json", hide_input=True)


@cache
def _exact_fields(intent: type[BaseModel]) -> Container[Any]:
    """Return the keys of the fields that hold a Decimal or a value of any type, at any depth."""
    return _EVERY if intent.model_config.get("extra") == "allow" else _fields_with(intent, {_DECIMAL, *_UNTYPED})


@cache
def _given_as_number(intent: type[BaseModel]) -> re.Pattern[str] | None:
    r"""Return a pattern of such a field that is given as a number or may contain one, in a text without `\u`.

    None if there is no such pattern: any field may be one, or JSON escapes a character of a name.
    """
    found = _exact_fields(intent)
    names = sorted(map(str, found)) if isinstance(found, frozenset) else []
    if not names or not all(name.isprintable() and not {*'"\\/'} & {*name} for name in names):
        return None
    return re.compile(f'"(?:{"|".join(map(re.escape, names))})"\\s*:\\s*[-\\d{{\\[]')


@cache
def _decimal_fields(intent: type[BaseModel]) -> frozenset[Any]:
    """Return the keys of the fields that hold a Decimal, at any depth."""
    return _fields_with(intent, {_DECIMAL})


@cache
def _json_fields(intent: type[BaseModel]) -> frozenset[Any]:
    """Return the keys of the fields that take a text that is itself JSON."""
    return _fields_with(intent, {"json"})


def _fields_with(intent: type[BaseModel], types: Set[str]) -> frozenset[Any]:
    root: Any = intent.__pydantic_core_schema__
    definitions = {one["ref"]: one for one in root.get("definitions", [])}
    schemas = next(one["fields"] for one in _mappings(root) if one.get("type") == "model-fields")
    found = (
        {name} | first_names(schema) for name, schema in schemas.items() if _types_in(schema, definitions) & types
    )
    return frozenset().union(*found)


class _Every:
    """The names of all fields, those too that a model does not declare but keeps."""

    def __contains__(self, _name: object) -> bool:
        return True


_EVERY: Final = _Every()


def _types_in(schema: Any, definitions: Mapping[str, Any]) -> set[str]:
    found: set[str] = set()
    schemas, seen = [schema], set[str]()
    while schemas:
        for one in _mappings(schemas.pop()):
            if isinstance(one.get("type"), str):
                found.add(one["type"])
            if "allow" in (one.get("extra_behavior"), one.get("extra_fields_behavior")):
                found.add("any")
            ref = one.get("schema_ref")
            if isinstance(ref, str) and ref in definitions and ref not in seen:
                seen.add(ref)
                schemas.append(definitions[ref])
    return found


def _mappings(schema: Any) -> Iterator[Mapping[str, Any]]:
    """Yield every mapping in a core schema, the outermost first."""
    level = [schema]
    while level:
        one = level.pop(0)
        if isinstance(one, Mapping):
            yield one
            level += one.values()
        elif isinstance(one, list | tuple):
            level += one
