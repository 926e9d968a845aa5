"""The digest of an intent's fields, which tells a repetition from another payload under the same id.

The upper 48 bits are a hash of the values. The lower 16 bits are a checksum of the shape: which fields, of which
types. Two digests of different shapes say nothing about each other.
"""

import zlib
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    ColumnElement,
    Date,
    DateTime,
    Double,
    Float,
    Integer,
    Interval,
    Numeric,
    SmallInteger,
    Text,
    Time,
    Uuid,
    cast,
    func,
    literal,
)
from sqlalchemy.dialects.postgresql import JSONB

from penstock.consumer.mapping.field_types import IDENTITY, field_type
from penstock.consumer.rows.wire import sql_type_name
from penstock.intents import WriteIntent, kind_of
from penstock.intents.sensitive import FINGERPRINTS

_SHAPE_BITS = 16
SAME_SHAPE = (1 << _SHAPE_BITS) - 1
"""The bits of a digest that hold its shape."""

_HASHABLE = (
    BigInteger,
    Boolean,
    Date,
    DateTime,
    Double,
    Float,
    Integer,
    Interval,
    Numeric,
    SmallInteger,
    Text,
    Time,
    Uuid,
)


def digest_in_sql(intent: type[WriteIntent], fields: Mapping[str, ColumnElement[Any]]) -> ColumnElement[int]:
    """Return the digest of the fields as Postgres reads them, as an expression.

    An intent's id and time are no part of it: a repetition may have another time. It has the keyed
    fingerprint of a `Sensitive` field, so that it does not help to guess the text. `hash_record_extended` is the
    function by which Postgres distributes rows over partitions, so its results stay the same from version to
    version.

    Args:
        intent: the class of intents.
        fields: the value of each field in SQL, by the field's name.
    """
    hashed_fields = {
        name: value
        for name, value in sorted(fields.items())
        if name not in IDENTITY and field_type(intent, name).deterministic
    }
    hashed = func.pg_catalog.hash_record_extended(
        func.row(*map(_hashable, hashed_fields.values())), literal(0, BigInteger), type_=BigInteger()
    )
    shape = _shape(intent, (f"{name} {sql_type_name(value.type)}" for name, value in hashed_fields.items()))
    return hashed.bitwise_lshift(literal(_SHAPE_BITS, Integer)).bitwise_or(shape)


def _hashable(value: ColumnElement[Any]) -> ColumnElement[Any]:
    if isinstance(value.type, JSON):
        return cast(value, JSONB)
    return value if type(value.type) in _HASHABLE else cast(value, Text)


class PythonDigest:
    """The digest of fields that are not sent to Postgres."""

    def __init__(self, intent: type[WriteIntent]) -> None:
        """Take the class of intents."""
        self._serializer = TypeAdapter(intent).serializer
        self._excluded = {name for name in intent.model_fields if not field_type(intent, name).deterministic}
        self._shape = _shape(intent, intent.model_fields.keys() - self._excluded)

    def of(self, data: WriteIntent) -> int:
        """Return the digest of an intent, as a signed integer of 64 bits."""
        json = self._serializer.to_json(data, exclude=self._excluded, warnings=False, context=FINGERPRINTS)
        return int.from_bytes(blake2b(json, digest_size=6).digest() + self._shape.to_bytes(2), signed=True)


def _shape(intent: type[WriteIntent], fields: Iterable[str]) -> int:
    # An upgraded intent may have other values in the same fields.
    version = [str(intent.intent_version)] if intent.intent_version > 1 else []
    return zlib.crc32("\n".join([kind_of(intent), *version, *sorted(fields)]).encode()) & SAME_SHAPE
