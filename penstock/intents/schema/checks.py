"""What a JSON Schema does not say of how fields are checked, written into it in words that can be compared.

A time with an offset and one without have the same schema, and so have a text and a decimal number written as
one; functions that check have none at all. What a function does is not seen, only which one it is.
"""

import re
from collections.abc import Callable, Mapping
from enum import Enum
from functools import partial
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue

CHECKS = "x-penstock-checks"
"""The word in a schema under which the checks are that the others do not say."""

_NUMBER = {"ge", "gt", "le", "lt", "multiple_of"}
_SIZE = {"min_length", "max_length"}
_SAID_BY_SCHEMA: Mapping[str, set[str]] = {
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
"""The types of schemas (pydantic_core.core_schema) that a JSON Schema says all of but for other keys."""

_SAYS_NOTHING = {"type", "ref", "metadata", "serialization", "cls", "config", "schema", "schema_ref"}
_NO_CHECK_IN_CONFIG = {"title", "hide_input_in_errors", "extra_fields_behavior", "frozen"}
_WITH_SCHEMAS_OF_PYDANTIC = {"model", "enum", "dataclass", "typed-dict", "named-tuple"}


class Checks(GenerateJsonSchema):
    """Writes JSON Schemas that say all checks."""

    def build_schema_type_to_method(self) -> dict[Any, Callable[[Any], JsonSchemaValue]]:
        """Have each part of a schema say what is checked there."""
        methods = super().build_schema_type_to_method()
        return {kind: partial(_noting, method) for kind, method in methods.items()}

    def generate_inner(self, schema: Any) -> JsonSchemaValue:
        """Write down a part of a schema."""
        made = super().generate_inner(schema)
        if schema["type"] in _WITH_SCHEMAS_OF_PYDANTIC or not any(map(_is_own, schema.get("metadata") or ())):
            return made
        # It writes its own JSON Schema, which may say anything.
        return _with(made, [_word(schema)])


def _noting(method: Callable[[Any], JsonSchemaValue], schema: Any) -> JsonSchemaValue:
    return _with(method(schema), _checks_of(schema))


def _with(made: JsonSchemaValue, checks: list[str]) -> JsonSchemaValue:
    return {**made, CHECKS: [*made.get(CHECKS, []), *checks]} if checks else made


def _is_own(key: object) -> bool:
    return str(key).endswith("_functions")


def _checks_of(schema: Mapping[str, Any]) -> list[str]:
    kind = schema["type"]
    known = _SAYS_NOTHING | _SAID_BY_SCHEMA.get(kind, set())
    found = [] if kind in _SAID_BY_SCHEMA else [kind]
    for key, value in sorted(schema.items()):
        plain = (key == "keys_schema" and value == {"type": "str"}) or (
            key == "validation_alias" and isinstance(value, str)
        )
        if isinstance(value, re.Pattern) or (key not in known and not plain):
            found.append(f"{kind}.{key}={_word(value)}")
    if kind == "enum" and schema["cls"]._missing_.__func__ is not Enum._missing_.__func__:  # type: ignore[attr-defined]
        found.append(_word(schema["cls"]._missing_))
    if kind == "model":
        config = schema.get("config", {})
        names = sorted(name for name in config.keys() - _NO_CHECK_IN_CONFIG if not name.startswith("ser_"))
        found += [f"config.{name}={_word(config[name])}" for name in names]
    return found


def _word(value: Any) -> str:
    """Write a value without addresses: they differ from process to process."""
    if isinstance(value, Mapping):
        names = sorted(
            (name for name in value if name not in {"metadata", "serialization", "ref", "schema_ref"}), key=str
        )
        return "{" + ", ".join(f"{name}: {_word(value[name])}" for name in names) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_word, value)) + "]"
    if hasattr(value, "__qualname__"):
        return f"{value.__module__}.{value.__qualname__}"
    plain = value is None or isinstance(value, str | int | float | re.Pattern)
    return repr(value) if plain else re.sub(r" at 0x\w+", "", repr(value))
