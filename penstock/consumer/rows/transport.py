"""The parameters that carry a set of intents to Postgres, and the columns that Postgres makes of them.

A field of plain values is sent as an array. All other fields are sent together, as JSON (PostgreSQL documentation,
"JSON Functions": json_to_recordset).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import BigInteger, ColumnElement, DateTime, Uuid, bindparam, column, func
from sqlalchemy.sql.selectable import TableValuedAlias

from penstock.consumer.mapping.columns import ID, TIME
from penstock.consumer.mapping.field_types import IDENTITY, field_type
from penstock.consumer.rows.arrays import (
    CONFIG,
    Parameter,
    Type,
    array_writer,
    sent_as_array,
    sql_type_name,
)
from penstock.consumer.rows.intent_set import IntentSet
from penstock.consumer.rows.rows_from import RecordFunction, RowsFrom
from penstock.intents import WriteIntent
from penstock.intents.sensitive import REVEALED

IDENTITY_COLUMNS = {"intent_id": ID, "intent_time": TIME}
"""The column in which an intent's id and its time arrive, by the names that bindings have for them."""

IDENTITY_TYPES: dict[str, Type] = {ID: Uuid(), TIME: DateTime(timezone=True)}
"""The types of these columns."""


def identity_parameters(intents: IntentSet) -> dict[str, str]:
    """Write the ids and times of intents as parameters."""
    return {ID: f"{{{','.join(intents.ids)}}}", TIME: f"{{{','.join(intents.times)}}}"}


class TransportColumns:
    """How the fields of a kind are sent: each as an array, or in the JSON of those that cannot be."""

    def __init__(self, intent: type[WriteIntent]) -> None:
        self._intent = intent
        self._arrays: list[tuple[str, Type]] = []
        self._records: list[dict[str, Type]] = []
        self._fingerprints: list[str] = []

    def add_fingerprint(self, field: str) -> str:
        """Send the fingerprints of a `Sensitive` field; return the column of `rows` in which they arrive."""
        if field not in self._fingerprints:
            self._fingerprints.append(field)
        return f"f{self._fingerprints.index(field)}"

    def add(self, field: str, type_: Type) -> str:
        """Send a field as a type; return the column of `rows` in which it arrives."""
        if field in IDENTITY:
            return IDENTITY_COLUMNS[field]
        if sent_as_array(field_type(self._intent, field), type_):
            return f"a{self._add_array(field, type_)}"
        number = self._add_to_record(field, type_)
        return f"r{number}_{[*self._records[number]].index(field)}"

    def _add_array(self, field: str, type_: Type) -> int:
        for number, (other, other_type) in enumerate(self._arrays):
            if other == field and same_type(other_type, type_):
                return number
        self._arrays.append((field, type_))
        return len(self._arrays) - 1

    def _add_to_record(self, field: str, type_: Type) -> int:
        """Return the record that reads a field as this type. Each record can read a field as one type only."""
        for number, record in enumerate(self._records):
            if same_type(record.setdefault(field, type_), type_):
                return number
        self._records.append({field: type_})
        return len(self._records) - 1

    def rows(self) -> TableValuedAlias:
        """Return the rows that Postgres makes of the parameters."""
        arrays = {f"a{number}": type_ for number, (_, type_) in enumerate(self._arrays)}
        fingerprints = {f"f{number}": BigInteger() for number in range(len(self._fingerprints))}
        return rows_of(IDENTITY_TYPES | arrays | fingerprints, self._records)

    def writers(self) -> dict[str, Callable[[IntentSet], str]]:
        """Return the function that writes each parameter."""
        writers = {f"a{n}": _column_writer(self._intent, field) for n, (field, _) in enumerate(self._arrays)}
        writers |= {f"f{n}": _fingerprint_writer(field) for n, field in enumerate(self._fingerprints)}
        if self._records:
            writers["records"] = _record_writer(self._intent, {field for r in self._records for field in r})
        return writers


def rows_of(arrays: Mapping[str, Type], records: Sequence[Mapping[str, Type]] = ()) -> TableValuedAlias:
    """Join arrays and records by position.

    Args:
        arrays: the item type of each array, by the name of its parameter, which is also its column.
        records: the type of each field. All records read the parameter `records`.
    """
    parts: list[ColumnElement[Any]] = []
    columns: list[Any] = []
    for name, type_ in arrays.items():
        parts.append(func.pg_catalog.unnest(bindparam(name, type_=Parameter(f"{sql_type_name(type_)}[]"))))
        columns.append(column(name, type_))
    for number, record in enumerate(records):
        recordset = func.pg_catalog.json_to_recordset(bindparam("records", type_=Parameter("JSON")))
        parts.append(RecordFunction(recordset, record))
        columns += [column(f"r{number}_{place}", type_) for place, type_ in enumerate(record.values())]
    return RowsFrom(*parts).table_valued(*columns).render_derived(name="penstock_wire")


def _column_writer(intent: type[WriteIntent], field: str) -> Callable[[IntentSet], str]:
    write = array_writer(intent, field)
    return lambda intents: write(intents.column(field))


def _fingerprint_writer(field: str) -> Callable[[IntentSet], str]:
    def write(intents: IntentSet) -> str:
        return f"{{{','.join(str(v.fingerprint) if v else 'NULL' for v in intents.column(field))}}}"

    return write


def _record_writer(intent: type[WriteIntent], fields: set[str]) -> Callable[[IntentSet], str]:
    serializer = TypeAdapter(list[intent], config=CONFIG).serializer  # type: ignore[valid-type]
    include = {"__all__": fields}

    def write(intents: IntentSet) -> str:
        json = serializer.to_json(intents.rows, include=include, by_alias=False, warnings=False, context=REVEALED)
        return json.decode()

    return write


def same_type(one: Type, other: Type) -> bool:
    """Return whether two types are the same in Postgres."""
    return sql_type_name(one) == sql_type_name(other)
