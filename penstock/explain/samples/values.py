"""Values that fit a JSON Schema, as Pydantic describes a model by it. The same seed gives the same values."""

import uuid
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from math import ceil, floor, inf
from random import Random
from typing import Any, Final

from penstock.explain.samples.pattern import matching_text

Schema = Mapping[str, Any]

_DEEPEST: Final = 6
_LARGEST: Final = 1000
_WIDE: Final = 2**62
WIDE: Final = "penstock-wide"
"""In the schema of a number: any number is chosen that the schema allows, so that numbers hardly repeat."""
_WORD: Final = 12
_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"
_RECENTLY: Final = 60


class Generator:
    """Generates values for the schemas of one model."""

    def __init__(self, definitions: Mapping[str, Schema], random: Random, now: datetime) -> None:
        """Take what the schemas refer to.

        Args:
            definitions: `$defs` of the model's schema.
            random: where choices come from.
            now: times are shortly before it.
        """
        self._definitions = definitions
        self._random = random
        self._now = now

    def value(self, schema: Schema, depth: int = 0) -> Any:
        """Return a value for a schema.

        Raises:
            ValueError: no value is found: a model contains itself without end, or a pattern is not known.
        """
        schema = self._resolved(schema)
        if depth > _DEEPEST:
            raise ValueError("the model contains itself without end")
        if examples := schema.get("examples"):
            return self._random.choice(examples)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return self._random.choice(schema["enum"])
        if options := schema.get("anyOf") or schema.get("oneOf"):
            return self._option(options, depth)
        make = _MAKERS.get(schema.get("type", ""), Generator._any)
        return make(self, schema, depth)

    def _resolved(self, schema: Schema) -> Schema:
        while "$ref" in schema or "allOf" in schema:
            found: dict[str, Any] = {name: v for name, v in schema.items() if name not in {"$ref", "allOf"}}
            parts = list(schema.get("allOf", ()))
            if "$ref" in schema:
                parts.append(self._definitions[schema["$ref"].rpartition("/")[2]])
            for part in parts:
                found = {**part, **found}
            schema = found
        return schema

    def _option(self, options: list[Schema], depth: int) -> Any:
        """Choose the first type of a union, which is the usual one; null only where nothing else ends."""
        rest = [option for option in options if option.get("type") != "null"]
        try:
            return self.value(rest[0], depth + 1)
        except (IndexError, ValueError):
            if len(rest) == len(options):
                raise
            return None

    def _any(self, _schema: Schema, _depth: int) -> Any:
        return self.word()

    def _boolean(self, _schema: Schema, _depth: int) -> bool:
        return self._random.random() < 1 / 2

    def _integer(self, schema: Schema, _depth: int) -> int:
        least, most = _bounds(schema)
        step = int(schema.get("multipleOf", 1))
        return self._random.randint(ceil(least / step), floor(most / step)) * step

    def _number(self, schema: Schema, depth: int) -> float | int:
        least, most = _bounds(schema)
        # A whole number fits a Decimal of any number of places.
        if ceil(least) <= floor(most):
            return self._integer(schema, depth)
        lower = schema.get("minimum", schema.get("exclusiveMinimum", least))
        upper = schema.get("maximum", schema.get("exclusiveMaximum", most))
        return (float(lower) + float(upper)) / 2

    def _string(self, schema: Schema, _depth: int) -> str:
        if "pattern" in schema:
            return matching_text(schema["pattern"], self._random)
        if make := _FORMATS.get(schema.get("format", "")):
            return make(self)
        return self.word(schema.get("minLength", 0), schema.get("maxLength", _WORD))

    def _array(self, schema: Schema, depth: int) -> list[Any]:
        first = [self.value(item, depth + 1) for item in schema.get("prefixItems", ())]
        count = max(schema.get("minItems", 0), min(2, schema.get("maxItems", 2)))
        try:
            rest = [self.value(schema.get("items", {}), depth + 1) for _ in range(count - len(first))]
        except ValueError:
            if schema.get("minItems"):
                raise
            rest = []
        return first + rest

    def _object(self, schema: Schema, depth: int) -> dict[str, Any]:
        properties = schema.get("properties", {})
        found = {name: self.value(one, depth + 1) for name, one in properties.items()}
        more = schema.get("additionalProperties")
        if not properties and more is not False:
            names = {"type": "string", **schema.get("propertyNames", {})}
            value = more if isinstance(more, dict) else {}
            for _ in range(max(1, schema.get("minProperties", 1))):
                found[str(self.value(names, depth + 1))] = self.value(value, depth + 1)
        return found

    def word(self, least: int = 1, most: int = _WORD) -> str:
        """Return a word of some letters."""
        length = max(least, min(most, _WORD))
        return "".join(self._random.choice(_LETTERS) for _ in range(length))

    def uuid(self) -> str:
        """Return a UUID."""
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def time(self) -> datetime:
        """Return a time of the last minute: as a version it is newer than what is in the database."""
        return self._now - timedelta(seconds=self._random.uniform(0, _RECENTLY))


def _bounds(schema: Schema) -> tuple[float, float]:
    """Return the least and the greatest value to choose: small positive numbers where they are allowed."""
    lower, upper = -inf, inf
    if "minimum" in schema or "exclusiveMinimum" in schema:
        lower = max(schema.get("minimum", -inf), floor(schema.get("exclusiveMinimum", -_WIDE)) + 1)
    if "maximum" in schema or "exclusiveMaximum" in schema:
        upper = min(schema.get("maximum", inf), ceil(schema.get("exclusiveMaximum", _WIDE)) - 1)
    span = _WIDE if schema.get(WIDE) else _LARGEST
    small = max(lower, 1) if upper >= 1 else max(lower, upper - span + 1)
    return small, min(upper, small + span - 1)


_MAKERS: Final[dict[str, Callable[[Generator, Schema, int], Any]]] = {
    "boolean": Generator._boolean,
    "integer": Generator._integer,
    "number": Generator._number,
    "string": Generator._string,
    "array": Generator._array,
    "object": Generator._object,
    "null": lambda *_: None,
}

_FORMATS: Final[dict[str, Callable[[Generator], str]]] = {
    "uuid": Generator.uuid,
    "uuid4": Generator.uuid,
    "date-time": lambda self: self.time().isoformat(),
    "date": lambda self: self.time().date().isoformat(),
    "time": lambda self: self.time().time().isoformat(),
    "duration": lambda self: f"PT{self.time().second + 1}S",
    "base64url": lambda _: "c2FtcGxl",
    "binary": lambda _: "c2FtcGxl",
    "email": lambda self: f"{self.word()}@example.org",
    "uri": lambda self: f"https://example.org/{self.word()}",
    "ipv4": lambda _: "192.0.2.1",
    "ipv6": lambda _: "2001:db8::1",
    "json-string": lambda self: f'"{self.word()}"',
}
