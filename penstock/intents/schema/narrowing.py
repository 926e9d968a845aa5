"""Compare two JSON Schemas: find the values that the first accepts and the second may refuse.

The comparison knows the schemas that Pydantic writes. An unknown keyword counts as narrowed unless it is
unchanged: no narrowing is missed.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias

from penstock.intents.schema.checks import CHECKS

Schema: TypeAlias = Mapping[str, Any] | bool

_ANNOTATIONS = {
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
    """A place where values that were accepted may be refused now.

    Attributes:
        path: the dotted path; empty for the whole value.
        problem: the difference.
    """

    path: str
    problem: str


def narrowed(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Narrowed]:
    """Find where a value that is valid in one schema may be invalid in another."""
    return list(_Comparison(before.get("$defs", {}), after.get("$defs", {})).narrowed(before, after, ""))


class _Comparison:
    def __init__(self, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
        self._before = before
        self._after = after
        self._inside: set[tuple[str, str]] = set()

    def narrowed(self, before: Schema, after: Schema, path: str) -> Iterator[Narrowed]:
        """Compare two schemas at a path."""
        pair = (_text(before), _text(after))
        # A recursive schema: it is narrower only if another part of it is.
        if pair in self._inside:
            return
        self._inside.add(pair)
        yield from self._compare(_resolve(before, self._before), _resolve(after, self._after), path)
        self._inside.discard(pair)

    def _compare(self, before: dict[str, Any], after: dict[str, Any], path: str) -> Iterator[Narrowed]:
        if not after or "not" in before:  # `after` accepts every value, or `before` accepts none.
            return
        if (choices := _alternatives(before)) is not None:
            for choice in choices:
                yield from self.narrowed(choice, after, path)
        elif (options := _alternatives(after)) is not None:
            results = [list(self.narrowed(before, option, path)) for option in options]
            if all(results):
                pairs = zip(results, options, strict=True)
                same_type = [result for result, option in pairs if _type(option) == _type(before)]
                refused = [Narrowed(path, f"{_name(before)} is no longer accepted")]
                yield from (same_type[0] if len(same_type) == 1 else refused)
        elif before.get(CHECKS) != after.get(
            CHECKS
        ):  # Even with fewer checks: a removed check may have converted its input.
            yield Narrowed(path, "it has different checks")
        elif CHECKS in after:
            yield from self._compare(_without_checks(before), _without_checks(after), path)
        else:
            yield from self._compare_plain(before, after, path)

    def _compare_plain(self, before: dict[str, Any], after: dict[str, Any], path: str) -> Iterator[Narrowed]:
        if "const" in after:
            if "const" not in before or _text(before["const"]) != _text(after["const"]):
                yield Narrowed(path, f"{_name(before)} is no longer accepted")
            return
        if "const" in before:
            before = _schema_of(before["const"])
        if "type" in after and before.get("type") != after["type"] and not _is_safe_integer(before, after):
            yield Narrowed(path, f"{_name(before)} is no longer accepted, but {_name(after)} is")
            return
        yield from _bounds(before, after, path)
        for keyword in sorted(after.keys() - _HANDLED):
            if _text(before.get(keyword)) != _text(after[keyword]):
                yield Narrowed(path, f"{keyword} has changed")
        if after.get("type") == "array":
            yield from self._compare_items(before, after, path)
        if after.get("type") == "object":
            yield from self._compare_objects(before, after, path)

    def _compare_items(self, before: dict[str, Any], after: dict[str, Any], path: str) -> Iterator[Narrowed]:
        old, new = before.get("prefixItems", []), after.get("prefixItems", [])
        if len(old) != len(new):
            yield Narrowed(path, "the number of items has changed")
            return
        for number, (one, other) in enumerate(zip(old, new, strict=True)):
            yield from self.narrowed(one, other, f"{path}[{number}]")
        yield from self.narrowed(before.get("items", True), after.get("items", True), f"{path}[]")

    def _compare_objects(self, before: dict[str, Any], after: dict[str, Any], path: str) -> Iterator[Narrowed]:
        old, new = before.get("properties", {}), after.get("properties", {})
        other_old, other_new = before.get("additionalProperties", True), after.get("additionalProperties", True)
        for name in after.get("required", []):
            if name not in before.get("required", []):
                yield Narrowed(_within(path, name), "it is required now")
        for name in sorted(old.keys() | new.keys()):
            one, other = old.get(name, other_old), new.get(name, other_new)
            if one is not False and other is False:
                yield Narrowed(_within(path, name), "it is no longer allowed")
            elif one is not False:
                yield from self.narrowed(one, other, _within(path, name))
        if other_old is not False and other_new is False:
            yield Narrowed(path, "other names are no longer allowed")
        elif other_old is not False:
            yield from self.narrowed(other_old, other_new, f"{path}{{}}")


def _resolve(schema: Schema, definitions: Mapping[str, Any]) -> dict[str, Any]:
    """Follow references, and remove keywords that do not restrict the value."""
    if isinstance(schema, bool):
        return {} if schema else {"not": {}}
    while "$ref" in schema:
        beside = {key: value for key, value in schema.items() if key != "$ref"}
        there = definitions[schema["$ref"].rpartition("/")[2]]
        checks = [*there.get(CHECKS, []), *beside.get(CHECKS, [])]
        schema = {**there, **beside, **({CHECKS: checks} if checks else {})}
    return {key: value for key, value in schema.items() if key not in _ANNOTATIONS}


def _without_checks(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in schema.items() if key != CHECKS}


def _alternatives(schema: Mapping[str, Any]) -> list[Schema] | None:
    """Return the alternatives of a schema; None if it has none."""
    for word in ("anyOf", "oneOf"):
        if word in schema and len(schema) == 1:
            return list(schema[word])
    if "enum" in schema and CHECKS not in schema:
        return [{"const": value} for value in schema["enum"]]
    return None


def _schema_of(value: Any) -> dict[str, Any]:
    """Make a schema that accepts a value. Numbers and booleans have none: Pydantic also accepts `true` for 1."""
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
    """Return the bound of a schema. An exclusive bound also counts as an inclusive one."""
    if word.startswith("exclusive"):
        return before.get(word)
    exclusive = f"exclusive{word[0].upper()}{word[1:]}"
    values = [before[name] for name in (word, exclusive) if name in before]
    return tighter(values) if values else None


def _is_safe_integer(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Return whether integers became numbers and all of them fit into a float: `number` refuses larger ones."""
    if (before.get("type"), after.get("type")) != ("integer", "number"):
        return False
    lowest, greatest = _bound(before, "minimum", max), _bound(before, "maximum", min)
    return None not in (lowest, greatest) and lowest > -_FLOAT_LIMIT and greatest < _FLOAT_LIMIT


def _type(schema: Schema) -> Any:
    return None if isinstance(schema, bool) else schema.get("type", schema.get("$ref"))


def _name(schema: Mapping[str, Any]) -> str:
    """Describe the values that a schema accepts."""
    if "const" in schema:
        return json.dumps(schema["const"])
    return " ".join(str(schema[word]) for word in ("type", "format") if word in schema) or "anything else"


def _within(path: str, name: str) -> str:
    return f"{path}.{name}".lstrip(".")


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
