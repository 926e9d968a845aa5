"""Kinds as documents: JSON Schemas for other languages, and what two states of a contract are compared by."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter

from penstock.intents.envelope import envelope_of
from penstock.intents.intent import WriteIntent, kind_of
from penstock.intents.schema.checks import Checks
from penstock.intents.upgrades import oldest_version

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


@dataclass(frozen=True, slots=True, kw_only=True)
class KindDocument:
    """One kind, as far as it is to be known outside of Python.

    Attributes:
        kind: its stable name.
        version: its version.
        oldest: the oldest version that is read, by upgrading it.
        aliases: the names that it is read under as well.
        class_name: its class.
        module: where that is.
        data: the JSON Schema of its data, with the checks in it that no JSON Schema says.
    """

    kind: str
    version: int
    oldest: int
    aliases: list[str]
    class_name: str
    module: str
    data: dict[str, Any]


DOCUMENTS = TypeAdapter(list[KindDocument])
"""Reads and writes the documents of a contract."""


def data_schema(intent: type[WriteIntent]) -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of an intent's data."""
    return {"$schema": _DIALECT, **intent.model_json_schema()}


def envelope_schema(intent: type[WriteIntent]) -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of an intent's whole envelope."""
    return {"$schema": _DIALECT, **TypeAdapter(envelope_of(intent)).json_schema()}


def document(intents: Iterable[type[WriteIntent]]) -> list[KindDocument]:
    """Write kinds down, in the order of their names."""
    return [_document_of(intent) for intent in sorted(intents, key=kind_of)]


def _document_of(intent: type[WriteIntent]) -> KindDocument:
    return KindDocument(
        kind=kind_of(intent),
        version=intent.intent_version,
        oldest=oldest_version(intent),
        aliases=list(intent.intent_aliases),
        class_name=intent.__name__,
        module=intent.__module__,
        data=intent.model_json_schema(schema_generator=Checks),
    )
