"""The paths of faults: they name the fields of an intent, and never a value of it.

A key of a `dict` field is a value that the sender chose, such as an e-mail address. In a path it is `*`.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, TypeAlias

FIELD_LIMIT: Final = 10
"""The most fields that a fault names."""

HIDDEN: Final = "*"
"""What stands for a key of a dict."""

_PART_LIMIT: Final = 64
_MARKS: Final = frozenset({"[key]", "(key)"})
"""Pydantic's and our own mark after a key that is itself wrong."""

Part: TypeAlias = int | str
_Schema: TypeAlias = Mapping[str, Any]

_FIELDS: Final = frozenset({"model-fields", "dataclass-args", "typed-dict", "arguments"})
_LISTS: Final = frozenset({"list", "tuple", "set", "frozenset", "generator"})
_WRAPPED: Final = ("schema", "json_schema", "lax_schema", "arguments_schema")
_UNIONS: Final = frozenset({"union", "tagged-union"})


def escaped(part: str) -> str:
    """Return a name that the sender chose, with unsafe characters replaced, and not too long."""
    return "".join(c if c.isascii() and (c.isalnum() or c in "_-()") else "?" for c in part[:_PART_LIMIT])


def safe_path(path: Iterable[Part], schema: _Schema) -> str:
    """Return the path of a fault, dotted.

    Args:
        path: the path as Pydantic has it, in the value that the schema validates.
        schema: the core schema of that value.
    """
    definitions = {one["ref"]: one for one in schema.get("definitions", ())}
    shown = []
    places: list[_Schema] = [schema]
    for part in path:
        places = list(_expanded(places, definitions))
        shown.append(HIDDEN if _is_value(part, places) else escaped(str(part)))
        places = [inner for place in places for inner in _inner(place, part)]
    return ".".join(shown)


def _expanded(schemas: Iterable[_Schema], definitions: Mapping[str, _Schema]) -> Iterator[_Schema]:
    """Yield the schemas that take a part of a path: those inside of validators, defaults and references."""
    stack, seen = list(schemas), set[str]()
    while stack:
        schema = stack.pop()
        type_ = schema.get("type")
        if type_ == "definition-ref":
            ref = schema["schema_ref"]
            stack += [definitions[ref]] if ref in definitions and ref not in seen else []
            seen.add(ref)
        elif type_ in _FIELDS | _LISTS | _UNIONS | {"dict", "any"}:
            yield schema
        else:
            # The configuration of a model holds for the fields inside of it.
            extra = {"config": schema["config"]} if "config" in schema else {}
            stack += [extra | dict(schema[name]) for name in _WRAPPED if name in schema]
            stack += schema.get("steps", ())


def _is_value(part: Part, places: list[_Schema]) -> bool:
    """Return whether a part may be a key that the sender chose. The name of an unknown field is none."""
    if not isinstance(part, str) or part in _MARKS:
        return False
    return not places or any(place["type"] in {"dict", "any"} or _is_extra(part, place) for place in places)


def _allows_extra(place: _Schema) -> bool:
    return "allow" in {place.get("extra_behavior"), place.get("config", {}).get("extra_fields_behavior")}


def _is_extra(part: str, place: _Schema) -> bool:
    return place["type"] in _FIELDS and _allows_extra(place) and not list(_inner(place, part))


def _inner(place: _Schema, part: Part) -> Iterator[_Schema]:
    """Yield the schemas of what is at a part."""
    match place["type"]:
        case "dict":
            yield place.get("values_schema", {"type": "any"})
            yield place.get("keys_schema", {"type": "any"})
        case "any":
            yield place
        case "tagged-union":
            yield from (choice for choice in place["choices"].values() if isinstance(choice, Mapping))
        case "union":
            yield from (one[0] if isinstance(one, tuple) else one for one in place["choices"])
        case type_ if type_ in _FIELDS:
            yield from (one["schema"] for name, one in _named(place) if part == name or part in first_names(one))
        case _:
            items = place.get("items_schema", {"type": "any"})
            yield from items if isinstance(items, list) else (items,)


def _named(place: _Schema) -> Iterator[tuple[Part, _Schema]]:
    fields = place.get("arguments_schema") or place["fields"]
    if isinstance(fields, Mapping):
        yield from fields.items()
    else:
        yield from ((one["name"], one) for one in fields)
        yield from enumerate(fields)  # The fields of a named tuple have an index, too.


def first_names(field: _Schema) -> set[Part]:
    """Return the key of each alias of a field: of a path, its first part."""
    alias = field.get("validation_alias", field.get("alias"))
    if isinstance(alias, str):
        return {alias}
    if not alias:
        return set()
    return {one[0] if isinstance(one, list) else alias[0] for one in alias}
