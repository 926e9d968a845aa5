"""A set of intents as rows, which Postgres makes of a few parameters: one per field, holding all its values.

The statement's text is short and stays the same however many rows there are: no limit of 65,535 parameters, one
entry in pg_stat_statements, nothing that makes RDS Proxy pin. The types are the table's own, so that Postgres
reads each value as that column would. A field of plain values travels as an array; all others travel together, as
JSON (PostgreSQL documentation, "JSON Functions": json_to_recordset).
"""

import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from hashlib import blake2b
from operator import attrgetter
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import (
    CTE,
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
    Table,
    Text,
    Time,
    Uuid,
    bindparam,
    cast,
    column,
    func,
    literal,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.sql.selectable import TableValuedAlias
from sqlalchemy.types import TypeEngine

from penstock.consumer.mapping.columns import RESERVED
from penstock.consumer.mapping.conversions import Conversion, reading
from penstock.consumer.mapping.field_types import IDENTITY, field_type
from penstock.consumer.rows.arrays import CONFIG, Parameter, array_of, travels_as_array, type_name, writer_of
from penstock.consumer.rows.rows_from import Defined, RowsFrom
from penstock.intents import Envelope, WriteIntent, kind_of

Type = TypeEngine[Any]

ID, TIME, DIGEST = RESERVED

_IDS = TypeAdapter(list[UUID]).serializer
_TIMES = TypeAdapter(list[datetime]).serializer
_UUID: Type = Uuid()
_TIMESTAMP: Type = DateTime(timezone=True)
_IDENTITY_TYPES: dict[str, Type] = {"intent_id": _UUID, "intent_time": _TIMESTAMP}

_SHAPE_BITS = 16
SAME_SHAPE = (1 << _SHAPE_BITS) - 1
"""The bits of a digest that say of what it was made: what was made of other fields says nothing."""


class Source(NamedTuple):
    """What a column of the rows is made of.

    Attributes:
        field: the field; or `intent_id`, `intent_time`.
        type: the type in the database that it becomes.
    """

    field: str
    type: Type


def sources(table: Table, bound: Mapping[str, str]) -> dict[str, Source]:
    """Make rows as a table has them: with the types of its columns, under their keys.

    Args:
        table: the table.
        bound: the field for the key of each column, as `bind_columns` returns it.
    """
    return {key: Source(field, table.c[key].type) for key, field in bound.items()}


class Rows(Protocol):
    """Rows made of envelopes of one kind.

    A statement is built of `cte` once, and executed with the `parameters` of each set of envelopes.

    Attributes:
        kind: the kind.
        names: that, and the names that it had before.
        cte: the rows, as a common table expression: `ID`, `TIME` and `DIGEST`, beside other columns.
    """

    kind: str
    names: Sequence[str]
    cte: CTE

    def parameters(self, envelopes: Sequence[Envelope[Any]]) -> dict[str, str]:
        """Write envelopes as the statement's parameters: what was validated, dumped again.

        Raises:
            pydantic_core.PydanticSerializationError: one of them cannot be written.
        """


class Recordset:
    """Rows with a column for whatever is written."""

    def __init__(self, intent: type[WriteIntent], columns: Mapping[str, Source]) -> None:
        """Say what the rows are.

        Args:
            intent: the class of intents.
            columns: what each column of the rows is made of, by the name that it gets.
        """
        self.kind = kind_of(intent)
        self.names: Sequence[str] = (self.kind, *intent.intent_aliases)
        wires = TransportColumns(intent)
        readings = {name: _reading(intent, source) for name, source in columns.items()}
        names = {name: wires.name(columns[name].field, found.wire) for name, found in readings.items()}
        rows = wires.rows()
        self.cte = select(
            rows.c[ID],
            rows.c[TIME],
            _digest(intent, {columns[name].field: rows.c[wire] for name, wire in names.items()}).label(DIGEST),
            *(found.convert(rows.c[names[name]]).label(name) for name, found in readings.items()),
        ).cte("penstock_intent")
        self._writers = wires.writers()

    def parameters(self, envelopes: Sequence[Envelope[Any]]) -> dict[str, str]:
        """Write all fields."""
        data = [envelope.data for envelope in envelopes]
        return _identity(envelopes) | {name: write(data) for name, write in self._writers.items()}


class IdentityRows:
    """Rows of what every intent has: for a kind whose fields Postgres is not sent by us."""

    def __init__(self, intent: type[WriteIntent]) -> None:
        """Take the class of intents."""
        self.kind = kind_of(intent)
        self.names: Sequence[str] = (self.kind, *intent.intent_aliases)
        heads = _side_by_side({ID: _UUID, TIME: _TIMESTAMP, DIGEST: BigInteger()})
        self.cte = select(*heads.c).cte("penstock_intent")
        self._serializer = TypeAdapter(intent).serializer
        self._unsettled = {name for name in intent.model_fields if not field_type(intent, name).settled}
        self._shape = _shape(intent, intent.model_fields.keys() - self._unsettled)

    def parameters(self, envelopes: Sequence[Envelope[Any]]) -> dict[str, str]:
        """Write the heads."""
        digests = ",".join(str(self._digest(envelope.data)) for envelope in envelopes)
        return _identity(envelopes) | {DIGEST: f"{{{digests}}}"}

    def _digest(self, data: Any) -> int:
        hashed = blake2b(
            self._serializer.to_json(data, exclude=self._unsettled, warnings=False), digest_size=6
        ).digest()
        return int.from_bytes(hashed + self._shape.to_bytes(2), signed=True)


def _identity(envelopes: Sequence[Envelope[Any]]) -> dict[str, str]:
    return {
        ID: array_of(_IDS.to_json([envelope.id for envelope in envelopes]).decode()),
        TIME: array_of(_TIMES.to_json([envelope.time for envelope in envelopes]).decode()),
    }


def _reading(intent: type[WriteIntent], source: Source) -> Conversion:
    if source.field not in IDENTITY:
        return reading(field_type(intent, source.field), source.type)
    wire = _IDENTITY_TYPES[source.field]
    return (
        Conversion(wire) if _same(wire, source.type) else Conversion(wire, lambda value: cast(value, source.type))
    )


class TransportColumns:
    """How the fields of a kind travel: each as an array, or in the JSON of all that cannot."""

    def __init__(self, intent: type[WriteIntent]) -> None:
        self._intent = intent
        self._arrays: list[tuple[str, Type]] = []
        self._records: list[dict[str, Type]] = []

    def name(self, field: str, wire: Type) -> str:
        """Have a field travel as a type; return the column of `rows` that it arrives in."""
        if field in IDENTITY:
            return {"intent_id": ID, "intent_time": TIME}[field]
        if travels_as_array(field_type(self._intent, field), wire):
            return f"a{self._place_in_arrays(field, wire)}"
        number = self._place_in_records(field, wire)
        return f"r{number}_{[*self._records[number]].index(field)}"

    def _place_in_arrays(self, field: str, wire: Type) -> int:
        for number, (other, type_) in enumerate(self._arrays):
            if other == field and _same(type_, wire):
                return number
        self._arrays.append((field, wire))
        return len(self._arrays) - 1

    def _place_in_records(self, field: str, wire: Type) -> int:
        """Find the record that reads a field as this type: each can read it as one type only."""
        for number, record in enumerate(self._records):
            if _same(record.setdefault(field, wire), wire):
                return number
        self._records.append({field: wire})
        return len(self._records) - 1

    def rows(self) -> TableValuedAlias:
        """Put side by side what arrives."""
        arrays: dict[str, Type] = {f"a{number}": wire for number, (_, wire) in enumerate(self._arrays)}
        return _side_by_side({ID: _UUID, TIME: _TIMESTAMP} | arrays, self._records)

    def writers(self) -> dict[str, Callable[[Iterable[Any]], str]]:
        """Return what writes each parameter, given the intents."""
        writers = {f"a{n}": _column_writer(self._intent, field) for n, (field, _) in enumerate(self._arrays)}
        if self._records:
            writers["records"] = _record_writer(self._intent, {field for r in self._records for field in r})
        return writers


def _side_by_side(arrays: Mapping[str, Type], records: Sequence[Mapping[str, Type]] = ()) -> TableValuedAlias:
    parts: list[ColumnElement[Any]] = []
    columns: list[Any] = []
    for name, type_ in arrays.items():
        parts.append(func.unnest(bindparam(name, type_=Parameter(f"{type_name(type_)}[]"))))
        columns.append(column(name, type_))
    for number, record in enumerate(records):
        parts.append(Defined(func.json_to_recordset(bindparam("records", type_=Parameter("JSON"))), record))
        columns += [column(f"r{number}_{place}", type_) for place, type_ in enumerate(record.values())]
    return RowsFrom(*parts).table_valued(*columns).render_derived(name="penstock_wire")


def _column_writer(intent: type[WriteIntent], field: str) -> Callable[[Iterable[Any]], str]:
    write, get = writer_of(intent, field), attrgetter(field)
    return lambda data: write(map(get, data))


def _record_writer(intent: type[WriteIntent], fields: set[str]) -> Callable[[Iterable[Any]], str]:
    serializer = TypeAdapter(list[intent], config=CONFIG).serializer  # type: ignore[valid-type]
    include = {"__all__": fields}
    return lambda data: serializer.to_json(data, include=include, by_alias=False, warnings=False).decode()


_HASHED = (
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


def _digest(intent: type[WriteIntent], fields: Mapping[str, ColumnElement[Any]]) -> ColumnElement[int]:
    """Say in 64 bits what the fields of an intent are, and in some of them, which fields those are.

    Its id and time are no part of it: whoever says the same again says it later. Postgres's hash is the one that
    it distributes rows by, which keeps it the same from version to version.
    """
    said = {
        name: value
        for name, value in sorted(fields.items())
        if name not in IDENTITY and field_type(intent, name).settled
    }
    hashed = func.hash_record_extended(
        func.row(*map(_hashable, said.values())), literal(0, BigInteger), type_=BigInteger()
    )
    shape = _shape(intent, (f"{name} {type_name(value.type)}" for name, value in said.items()))
    return hashed.bitwise_lshift(literal(_SHAPE_BITS, Integer)).bitwise_or(shape)


def _hashable(value: ColumnElement[Any]) -> ColumnElement[Any]:
    if isinstance(value.type, JSON):
        return cast(value, JSONB)
    return value if type(value.type) in _HASHED else cast(value, Text)


def _shape(intent: type[WriteIntent], fields: Iterable[str]) -> int:
    # What was upgraded may have other values in the same fields.
    version = [str(intent.intent_version)] if intent.intent_version > 1 else []
    return zlib.crc32("\n".join([kind_of(intent), *version, *sorted(fields)]).encode()) & SAME_SHAPE


def _same(one: Type, other: Type) -> bool:
    return type_name(one) == type_name(other)
