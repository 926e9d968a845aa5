"""The checks of fields that a JSON Schema cannot express, added to it as words that can be compared.

A time with an offset has the same schema as one without; a string has the same schema as a decimal number that is
written as a string; validator functions have no schema. A function is compared by its name, not by what it does.
"""

import re
from collections.abc import Callable, Mapping
from enum import Enum
from functools import partial
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue

CHECKS = "x-penstock-checks"
"""The keyword in a schema that contains these checks."""

_NUMBER = {"ge", "gt", "le", "lt", "multiple_of"}
_SIZE = {"min_length", "max_length"}
_EXPRESSED_KEYS: Mapping[str, set[str]] = {
    "any": set(),
    "bool": set(),
    "default": {"default", "default_factory", "default_factory_takes_data", "copy_default"},
    "definitions": {"definitions"},
    "definition-ref": set(),
    "dict": {"values_schema", *_SIZE},
    "enum": {"members", "sub_type"},
    "float": _NUMBER,
    "int": _NUMBER,
    "json-or-python": {"json_schema", "python_schema"},
    "list": {"items_schema", *_SIZE},
    "literal": {"expected"},
    "model": {"custom_init", "root_model", "frozen"},
    "model-field": {"frozen", "serialization_alias", "serialization_exclude"},
    "model-fields": {"fields", "model_name", "computed_fields", "extra_behavior"},
    "none": set(),
    "nullable": set(),
    "str": {*_SIZE, "pattern"},
    "tagged-union": {"choices"},
    "tuple": {"items_schema", "variadic_item_index", *_SIZE},
    "union": {"choices", "mode", "auto_collapse", "custom_error_type", "custom_error_message"},
}
"""By schema type (pydantic_core.core_schema): the keys that JSON Schema expresses. Every other key is a check."""

_IRRELEVANT_KEYS = {"type", "ref", "metadata", "serialization", "cls", "config", "schema", "schema_ref"}
_IRRELEVANT_CONFIG = {"title", "hide_input_in_errors", "extra_fields_behavior", "frozen"}
_PYDANTIC_SCHEMA_TYPES = {"model", "enum", "dataclass", "typed-dict", "named-tuple"}


class Checks(GenerateJsonSchema):
    """Writes JSON Schemas that contain all checks."""

    def build_schema_type_to_method(self) -> dict[Any, Callable[[Any], JsonSchemaValue]]:
        """Add its checks to each part of a schema."""
        methods = super().build_schema_type_to_method()
        return {kind: partial(_write_with_checks, method) for kind, method in methods.items()}

    def generate_inner(self, schema: Any) -> JsonSchemaValue:
        """Write one part of a schema."""
        made = super().generate_inner(schema)
        if schema["type"] in _PYDANTIC_SCHEMA_TYPES or not any(
            str(key).endswith("_functions") for key in schema.get("metadata") or ()
        ):
            return made
        # The type writes its own JSON Schema, which may omit its checks.
        return _add_checks(made, [_describe(schema)])


def _write_with_checks(method: Callable[[Any], JsonSchemaValue], schema: Any) -> JsonSchemaValue:
    return _add_checks(method(schema), _checks_of(schema))


def _add_checks(made: JsonSchemaValue, checks: list[str]) -> JsonSchemaValue:
    return {**made, CHECKS: [*made.get(CHECKS, []), *checks]} if checks else made


def _checks_of(schema: Mapping[str, Any]) -> list[str]:
    kind = schema["type"]
    known = _IRRELEVANT_KEYS | _EXPRESSED_KEYS.get(kind, set())
    found = [] if kind in _EXPRESSED_KEYS else [kind]
    for key, value in sorted(schema.items()):
        plain = (key == "keys_schema" and value == {"type": "str"}) or (
            key == "validation_alias" and isinstance(value, str)
        )
        if isinstance(value, re.Pattern) or (key not in known and not plain):
            found.append(f"{kind}.{key}={_describe(value)}")
    if kind == "enum" and schema["cls"]._missing_.__func__ is not Enum._missing_.__func__:  # type: ignore[attr-defined]
        found.append(_describe(schema["cls"]._missing_))
    if kind == "model":
        config = schema.get("config", {})
        names = sorted(name for name in config.keys() - _IRRELEVANT_CONFIG if not name.startswith("ser_"))
        found += [f"config.{name}={_describe(config[name])}" for name in names]
    return found


def _describe(value: Any) -> str:
    """Describe a value without memory addresses, which differ between processes."""
    if isinstance(value, Mapping):
        names = sorted(
            (name for name in value if name not in {"metadata", "serialization", "ref", "schema_ref"}), key=str
        )
        return "{" + ", ".join(f"{name}: {_describe(value[name])}" for name in names) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_describe, value)) + "]"
    if hasattr(value, "__qualname__"):
        return f"{value.__module__}.{value.__qualname__}"
    plain = value is None or isinstance(value, str | int | float | re.Pattern)
    return repr(value) if plain else re.sub(r" at 0x\w+", "", repr(value))
