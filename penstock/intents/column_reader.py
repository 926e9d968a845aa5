"""Many envelopes read at once, as columns: half the work of decoding one after another.

Each text is parsed by itself, so no text has an influence on another. A text is read only if `Contract.decode`
would certainly read the same in it. All others are left to that: other forms of ids and times, older versions,
invalid data.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from pydantic_core import CoreSchema, SchemaValidator, core_schema

from penstock.intents.exact_numbers import has_exact_fields, may_be_inexact
from penstock.intents.intent import WriteIntent, kind_of
from penstock.intents.row_schema import TIME_TEXT, UUID_TEXT, row_schema
from penstock.intents.sealed import MARK
from penstock.intents.storable import may_be_unstorable

_NOT_READ: Final = "expirytime"
"""An attribute that needs a decision for each envelope."""


@dataclass
class ReadSet:
    """The envelopes of one kind among some texts.

    Attributes:
        kind: the kind.
        positions: where the text of each is among the texts.
        heads: the attributes of each by name. `data` is a dict by the names of the fields, in which UUIDs and
            times are texts (`penstock.intents.row_schema`).
    """

    kind: str
    positions: list[int]
    heads: list[dict[str, Any]]

    @cached_property
    def ids(self) -> list[str]:
        """The ids, as texts in the form of RFC 9562, in lower case."""
        return [head["id"] for head in self.heads]

    @cached_property
    def times(self) -> list[str]:
        """The times, as texts in the form of RFC 3339, in UTC."""
        return [head["time"] for head in self.heads]

    @cached_property
    def traceparents(self) -> list[str | None]:
        """The trace contexts."""
        return [head["traceparent"] for head in self.heads]

    @cached_property
    def rows(self) -> list[dict[str, Any]]:
        """The data."""
        return [head["data"] for head in self.heads]


@dataclass(frozen=True, slots=True)
class ReadPart:
    """What was read of some texts.

    Attributes:
        sets: the envelopes that were read, by kind.
        others: the positions of the texts that were not read.
    """

    sets: Sequence[ReadSet]
    others: Sequence[int]


class ColumnReader:
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

    def read(self, texts: Sequence[str]) -> ReadPart:
        """Read some texts. A text that is not read raises nothing."""
        if self._validate is None:
            return ReadPart((), range(len(texts)))
        heads: list[Any] = self._validate.validate_python([*texts])
        if _is_doubtful("\n".join(texts)):
            heads = [None if _is_doubtful(text) else head for head, text in zip(heads, texts, strict=True)]
        positions: dict[str, list[int]] = {}
        for position, head in enumerate(heads):
            positions.setdefault(head["type"] if head else "", []).append(position)
        others = positions.pop("", [])
        for kind in positions.keys() & self._exact.keys():
            inexact = [one for one in positions[kind] if may_be_inexact(texts[one], self._exact[kind])]
            positions[kind] = sorted({*positions[kind]}.difference(inexact))
            others += inexact
        sets = [ReadSet(kind, found, [heads[one] for one in found]) for kind, found in positions.items() if found]
        return ReadPart(sets, others)


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
        field["name"]: core_schema.typed_dict_field(replaced.get(field["name"], field["schema"]))
        for field in schema["schema"]["fields"]
        if field["name"] != _NOT_READ
    }
    return core_schema.typed_dict_schema(fields, config=schema["config"], extra_behavior="forbid", strict=True)
