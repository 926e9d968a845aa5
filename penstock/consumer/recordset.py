"""A set of intents as ONE json parameter, which Postgres takes apart into typed rows.

The statement's text is short and stays the same however many rows there are: no limit of 65,535 parameters, one
entry in pg_stat_statements, nothing that makes RDS Proxy pin. The types are the table's own, so that Postgres
reads each value as that column would (PostgreSQL documentation, "JSON Functions": json_to_recordset). What is in
the envelope and not in the intent, its id and time, travels beside it as an array, and is put beside it again.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from pydantic import ConfigDict, TypeAdapter
from sqlalchemy import (
    ARRAY,
    JSON,
    ColumnElement,
    DateTime,
    FromClause,
    Select,
    Table,
    Text,
    Uuid,
    bindparam,
    cast,
    column,
    func,
    select,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeEngine

from penstock.consumer.fieldtypes import IDENTITY, field_type
from penstock.consumer.readings import Reading, reading
from penstock.consumer.rowsfrom import Defined, RowsFrom
from penstock.intents import Envelope, WriteIntent

Type = TypeEngine[Any]

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]

# Postgres refuses what is no JSON; null would land.
_CONFIG = ConfigDict(ser_json_inf_nan="constants")

_IDS = TypeAdapter(list[UUID])
_TIMES = TypeAdapter(list[datetime])
_IDENTITY_TYPES: dict[str, Type] = {"intent_id": Uuid(), "intent_time": DateTime(timezone=True)}


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


class Recordset:
    """Rows made of envelopes of one kind.

    A statement is built of `select` once, and executed with the `parameters` of each set of envelopes.
    """

    def __init__(self, intent: type[WriteIntent], columns: Mapping[str, Source]) -> None:
        """Say what the rows are.

        Args:
            intent: the class of intents.
            columns: what each column of the rows is made of, by the name that it gets.
        """
        self._adapter: TypeAdapter[list[Any]] = TypeAdapter(list[intent], config=_CONFIG)  # type: ignore[valid-type]
        self._fields = {source.field for source in columns.values()}
        self._columns = _take_apart(intent, columns)

    def select(self, names: Iterable[str] | None = None) -> Select[Any]:
        """Select a row for each envelope.

        Args:
            names: which columns, in which order; all of them if not given.
        """
        chosen = self._columns if names is None else names
        return select(*(self._columns[name].label(name) for name in chosen))

    def parameters(self, envelopes: Sequence[Envelope[Any]]) -> dict[str, str]:
        """Write envelopes as the statement's parameters: what was validated, dumped again.

        Raises:
            pydantic_core.PydanticSerializationError: one of them cannot be written as JSON.
        """
        made = {}
        if self._fields - IDENTITY.keys():
            # A warning of the serializer's would show the value.
            data = [envelope.data for envelope in envelopes]
            made["rows"] = self._adapter.dump_json(data, by_alias=False, warnings=False).decode()
        if "intent_id" in self._fields:
            made["intent_id"] = _array(_IDS.dump_json([envelope.id for envelope in envelopes]))
        if "intent_time" in self._fields:
            made["intent_time"] = _array(_TIMES.dump_json([envelope.time for envelope in envelopes]))
        return made


def _array(json: bytes) -> str:
    """Turn a JSON list of plain texts into an array of Postgres: the braces are all that differs."""
    return f"{{{json[1:-1].decode()}}}"


def _take_apart(intent: type[WriteIntent], columns: Mapping[str, Source]) -> dict[str, ColumnElement[Any]]:
    """Build each column of the rows."""
    readings = {name: _reading(intent, source) for name, source in columns.items()}
    identity: dict[str, Type] = {}
    records: list[dict[str, Type]] = []
    wires: dict[str, str] = {}
    for name, found in readings.items():
        field = columns[name].field
        if field in IDENTITY:
            identity[field] = found.wire
            wires[name] = field
        else:
            wires[name] = _wire_name(field, _place(records, field, found.wire))
    rows = _rows(identity, records)
    return {name: found.convert(rows.c[wires[name]]) for name, found in readings.items()}


def _reading(intent: type[WriteIntent], source: Source) -> Reading:
    if source.field not in IDENTITY:
        return reading(field_type(intent, source.field), source.type)
    wire = _IDENTITY_TYPES[source.field]
    return Reading(wire) if _same(wire, source.type) else Reading(wire, lambda value: cast(value, source.type))


def _place(records: list[dict[str, Type]], field: str, wire: Type) -> int:
    """Find the record that reads a field as this type: each can read it as one type only."""
    for number, record in enumerate(records):
        if _same(record.setdefault(field, wire), wire):
            return number
    records.append({field: wire})
    return len(records) - 1


def _wire_name(field: str, number: int) -> str:
    return f"{number} {field}" if number else field


def _rows(identity: Mapping[str, Type], records: Sequence[Mapping[str, Type]]) -> FromClause:
    """Put side by side what the parameters hold."""
    parts: list[ColumnElement[Any]] = []
    columns = []
    for number, record in enumerate(records):
        rows = cast(bindparam("rows", type_=Text), JSON)
        parts.append(Defined(func.json_to_recordset(rows), record))
        columns += [column(_wire_name(field, number), type_) for field, type_ in record.items()]
    for field, type_ in identity.items():
        parts.append(func.unnest(cast(bindparam(field, type_=Text), ARRAY(type_))))
        columns.append(column(field, type_))
    return RowsFrom(*parts).table_valued(*columns).render_derived(name="intent")


def _same(one: Type, other: Type) -> bool:
    return one.compile(dialect=_DIALECT) == other.compile(dialect=_DIALECT)
