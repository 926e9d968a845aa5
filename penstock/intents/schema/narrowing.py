"""Whether what one JSON Schema takes is taken by another one: `narrowed` finds whatever may not be.

It knows the schemas that Pydantic writes. What it does not know is narrower, unless it is the same: no answer of
it is wrong on the dangerous side.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias

from penstock.intents.schema.checks import CHECKS

Schema: TypeAlias = Mapping[str, Any] | bool

_SAYS_NOTHING = {
    "$schema",
    "$defs",
    "title",
    "description",
    "default",
    "examples",
    "deprecated",
    "readOnly",
    "writeOnly",
    "discriminator",
}
_LOWEST = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_GREATEST = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_OBJECT = {"properties", "required", "additionalProperties"}
_HANDLED = {"type", "const", "items", "prefixItems", *_OBJECT, *_LOWEST, *_GREATEST}
_FLOAT_LIMIT = 10**308


class Narrowed(NamedTuple):
    """Something that was taken and may not be taken any more.

    Attributes:
        path: where, as a dotted path; empty for the whole.
        problem: what is in the way.
    """

    path: str
    problem: str


def narrowed(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Narrowed]:
    """Find where a value that is valid by one schema may be invalid by another."""
    return list(_Comparison(before.get("$defs", {}), after.get("$defs", {})).narrowed(before, after, ""))


class _Comparison:
    def __init__(self, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
        self._before = before
        self._after = after
        self._inside: set[tuple[str, str]] = set()

    def narrowed(self, before: Schema, after: Schema, path: str) -> Iterator[Narrowed]:
        """Compare two schemas at a path."""
        pair = (_text(before), _text(after))
        # A schema within itself: if nothing else is narrower, this is not.
        if pair in self._inside:
            return
        self._inside.add(pair)
        yield from self._compared(_resolved(before, self._before), _resolved(after, self._after), path)
        self._inside.discard(pair)

    def _compared(self, before: dict[str, Any], after: dict[str, Any], path: str) -> Iterator[Narrowed]:
        if not after or "not" in before:  # Anything is taken; or there is nothing to take.
            return
        if (choices := _alternatives(before)) is not None:
            for choice in choices:
                yield from self.narrowed(choice, after, path)
        elif (taken := _alternatives(after)) is not None:
            tries = [list(self.narrowed(before, one, path)) for one in taken]
            if all(tries):
                same = [one for one, made in zip(tries, taken, strict=True) if _type(made) == _type(before)]
                yield from (
                    same[0] if len(same) == 1 else [Narrowed(path, f"{_name(before)} is not taken any more")]
                )
        elif before.get(CHECKS) != after.get(CHECKS):  # Fewer checks may be more: some convert what comes.
            yield Narrowed(path, "it is checked in another way")
        elif CHECKS in after:
            yield from self._compared(_unchecked(before), _unchecked(after), path)
        else:
            yield from self._plain(before, after, path)

    def _plain(self, before: dict[str, Any], after: dict[str, Any], path: str) -> Iterator[Narrowed]:
        if "const" in after:
            if "const" not in before or _text(before["const"]) != _text(after["const"]):
                yield Narrowed(path, f"{_name(before)} is not taken any more")
            return
        if "const" in before:
            before = _like(before["const"])
        if "type" in after and before.get("type") != after["type"] and not _is_whole(before, after):
            yield Narrowed(path, f"{_name(before)} is not taken any more, but {_name(after)}")
            return
        yield from _bounds(before, after, path)
        for word in sorted(after.keys() - _HANDLED):
            if _text(before.get(word)) != _text(after[word]):
                yield Narrowed(path, f"{word} is another one")
        if after.get("type") == "array":
            yield from self._items(before, after, path)
        if after.get("type") == "object":
            yield from self._object(before, after, path)

    def _items(self, before: dict[str, Any], after: dict[str, Any], path: str) -> Iterator[Narrowed]:
        first, then = before.get("prefixItems", []), after.get("prefixItems", [])
        if len(first) != len(then):
            yield Narrowed(path, "there are more or fewer items")
            return
        for number, (one, other) in enumerate(zip(first, then, strict=True)):
            yield from self.narrowed(one, other, f"{path}[{number}]")
        yield from self.narrowed(before.get("items", True), after.get("items", True), f"{path}[]")

    def _object(self, before: dict[str, Any], after: dict[str, Any], path: str) -> Iterator[Narrowed]:
        had, has = before.get("properties", {}), after.get("properties", {})
        more_before, more_after = before.get("additionalProperties", True), after.get("additionalProperties", True)
        for name in after.get("required", []):
            if name not in before.get("required", []):
                yield Narrowed(_within(path, name), "it must be there")
        for name in sorted(had.keys() | has.keys()):
            one, other = had.get(name, more_before), has.get(name, more_after)
            if one is not False and other is False:
                yield Narrowed(_within(path, name), "it may not be there")
            elif one is not False:
                yield from self.narrowed(one, other, _within(path, name))
        if more_before is not False and more_after is False:
            yield Narrowed(path, "other names may not be there")
        elif more_before is not False:
            yield from self.narrowed(more_before, more_after, f"{path}{{}}")


def _resolved(schema: Schema, definitions: Mapping[str, Any]) -> dict[str, Any]:
    """Follow references, and leave out what says nothing of a value."""
    if isinstance(schema, bool):
        return {} if schema else {"not": {}}
    while "$ref" in schema:
        beside = {key: value for key, value in schema.items() if key != "$ref"}
        there = definitions[schema["$ref"].rpartition("/")[2]]
        checks = [*there.get(CHECKS, []), *beside.get(CHECKS, [])]
        schema = {**there, **beside, **({CHECKS: checks} if checks else {})}
    return {key: value for key, value in schema.items() if key not in _SAYS_NOTHING}


def _unchecked(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in schema.items() if key != CHECKS}


def _alternatives(schema: Mapping[str, Any]) -> list[Schema] | None:
    """Take apart a schema that takes several things."""
    for word in ("anyOf", "oneOf"):
        if word in schema and len(schema) == 1:
            return list(schema[word])
    if "enum" in schema and CHECKS not in schema:
        return [{"const": value} for value in schema["enum"]]
    return None


def _like(value: Any) -> dict[str, Any]:
    """Make a schema that takes a value; of numbers and booleans, Pydantic takes `true` and `1.0` for a 1, too."""
    if isinstance(value, str):
        return {"type": "string", "minLength": len(value), "maxLength": len(value)}
    return {"type": "null"} if value is None else {}


def _bounds(before: Mapping[str, Any], after: Mapping[str, Any], path: str) -> Iterator[Narrowed]:
    for word in _LOWEST:
        if word in after:
            lowest = _bound(before, word, max)
            if lowest is None or lowest < after[word]:
                yield Narrowed(path, f"{word} is {after[word]}, and was {before.get(word, 'none')}")
    for word in _GREATEST:
        if word in after:
            greatest = _bound(before, word, min)
            if greatest is None or greatest > after[word]:
                yield Narrowed(path, f"{word} is {after[word]}, and was {before.get(word, 'none')}")


def _bound(before: Mapping[str, Any], word: str, tighter: Any) -> Any:
    """Return the bound that a schema had; a bound that excludes its own value is one that includes it, too."""
    if word.startswith("exclusive"):
        return before.get(word)
    exclusive = f"exclusive{word[0].upper()}{word[1:]}"
    values = [before[name] for name in (word, exclusive) if name in before]
    return tighter(values) if values else None


def _is_whole(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Tell whether whole numbers are taken as numbers: those that are too large for a float are not."""
    if (before.get("type"), after.get("type")) != ("integer", "number"):
        return False
    lowest, greatest = _bound(before, "minimum", max), _bound(before, "maximum", min)
    return None not in (lowest, greatest) and lowest > -_FLOAT_LIMIT and greatest < _FLOAT_LIMIT


def _type(schema: Schema) -> Any:
    return None if isinstance(schema, bool) else schema.get("type", schema.get("$ref"))


def _name(schema: Mapping[str, Any]) -> str:
    """Name what a schema takes."""
    if "const" in schema:
        return json.dumps(schema["const"])
    return " ".join(str(schema[word]) for word in ("type", "format") if word in schema) or "anything else"


def _within(path: str, name: str) -> str:
    return f"{path}.{name}".lstrip(".")


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
