"""Many envelopes read at once, as dicts: half the work of decoding one after another.

Each text is parsed by itself, so no text has an influence on another. A text is read only if `Contract.decode`
would certainly read the same in it. All others are left to that: other forms of ids and times, older versions,
invalid data.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic_core import CoreSchema, SchemaValidator, core_schema

from penstock.intents.exact_numbers import has_exact_fields, may_be_inexact
from penstock.intents.intent import WriteIntent, kind_of
from penstock.intents.row_schema import TIME_TEXT, UUID_TEXT, row_schema
from penstock.intents.sealed import MARK
from penstock.intents.storable import may_be_unstorable

_NOT_READ: Final = "expirytime"
"""An attribute that needs a decision for each envelope."""

Head = dict[str, Any]
"""The attributes that an envelope has, by name. `data` is a dict by the names of the fields, in which UUIDs and
times are texts (`penstock.intents.row_schema`)."""


class EnvelopeReader:
    """Reads envelopes of the current names and versions of some kinds.

    Attributes:
        kinds: the kinds that it reads.
    """

    def __init__(self, envelopes: Mapping[type[WriteIntent], type[Any]]) -> None:
        """Make a reader of those kinds that can be read in this way.

        Args:
            envelopes: the class of the envelopes of each class of intents.
        """
        found = {intent: _envelope_schema(intent, envelope) for intent, envelope in envelopes.items()}
        schemas = {kind_of(intent): schema for intent, schema in found.items() if schema}
        self.kinds = frozenset(schemas)
        self._exact = {kind_of(intent): intent for intent in envelopes if has_exact_fields(intent)}
        self._validate = _validator(schemas) if schemas else None

    def read(self, texts: Sequence[str]) -> Sequence[Head | None]:
        """Read some texts. In the place of each text that is not read, there is None."""
        if self._validate is None:
            return [None] * len(texts)
        heads: list[Head | None] = self._validate.validate_python([*texts])
        if _is_doubtful("\n".join(texts)):
            heads = [None if _is_doubtful(text) else head for head, text in zip(heads, texts, strict=True)]
        if self._exact:
            heads = [self._exact_or_none(head, text) for head, text in zip(heads, texts, strict=True)]
        return heads

    def _exact_or_none(self, head: Head | None, text: str) -> Head | None:
        intent = self._exact.get(head["type"]) if head else None
        return None if intent and may_be_inexact(text, intent) else head


def _is_doubtful(text: str) -> bool:
    return MARK in text or may_be_unstorable(text)


def _validator(schemas: Mapping[str, CoreSchema]) -> SchemaValidator:
    """Return the validator of a list of texts: None in the place of each text that is not valid."""
    one = next(iter(schemas.values()))
    envelope = one if len(schemas) == 1 else core_schema.tagged_union_schema({**schemas}, "type")
    text = core_schema.with_default_schema(core_schema.json_schema(envelope), default=None, on_error="default")
    return SchemaValidator(core_schema.list_schema(text))


def _envelope_schema(intent: type[WriteIntent], envelope: type[Any]) -> CoreSchema | None:
    """Return the schema of a kind's envelopes, made of that of their class; None if the data has none."""
    row = row_schema(intent)
    if row is None:
        return None
    replaced = {"id": UUID_TEXT, "time": TIME_TEXT, "data": row}
    schema = envelope.__pydantic_core_schema__
    fields = {
        field["name"]: _attribute(replaced.get(field["name"], field["schema"]))
        for field in schema["schema"]["fields"]
        if field["name"] != _NOT_READ
    }
    return core_schema.typed_dict_schema(fields, config=schema["config"], extra_behavior="forbid", strict=True)


def _attribute(schema: Any) -> core_schema.TypedDictField:
    """Return the field of an attribute. None that has a default is set if it is missing: that takes longer."""
    has_default = schema["type"] == "default"
    return core_schema.typed_dict_field(schema["schema"] if has_default else schema, required=not has_default)
