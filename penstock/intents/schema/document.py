"""Kinds as documents: JSON Schemas for other languages, and the input for a comparison of two contracts."""

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
    """The description of one kind for use outside Python.

    Attributes:
        kind: the stable name.
        version: the current version.
        oldest: the oldest version that can be upgraded.
        aliases: the former names.
        class_name: the name of the class.
        module: the module of the class.
        data: the JSON Schema of the data, with the checks of `penstock.intents.schema.checks`.
    """

    kind: str
    version: int
    oldest: int
    aliases: list[str]
    class_name: str
    module: str
    data: dict[str, Any]


DOCUMENTS = TypeAdapter(list[KindDocument])
"""Decodes and encodes the documents of a contract."""


def data_schema(intent: type[WriteIntent]) -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of an intent's data."""
    return {"$schema": _DIALECT, **intent.model_json_schema()}


def envelope_schema(intent: type[WriteIntent]) -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of an intent's whole envelope."""
    return {"$schema": _DIALECT, **TypeAdapter(envelope_of(intent)).json_schema()}


def document(intents: Iterable[type[WriteIntent]]) -> list[KindDocument]:
    """Return the documents of some kinds, in the order of their names."""
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
