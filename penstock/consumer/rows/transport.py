"""How the fields of a kind are sent to Postgres, and the rows that Postgres makes of them; see `wire`."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from pydantic import TypeAdapter
from sqlalchemy import BigInteger, ColumnElement, DateTime, Subquery, Uuid, column, func, select
from sqlalchemy.sql.selectable import TableValuedAlias

from penstock.consumer.mapping.columns import ID, TIME
from penstock.consumer.mapping.field_types import IDENTITY, field_type, type_names
from penstock.consumer.rows.arrays import CONFIG, items_writer, sent_as_array
from penstock.consumer.rows.intent_set import IntentSet
from penstock.consumer.rows.rows_from import RecordFunction, RowsFrom
from penstock.consumer.rows.wire import RECORDS, TEXTS, TIMES, UUIDS, Type, Wire, items, parameter, sql_type_name
from penstock.intents import WriteIntent
from penstock.intents.row_schema import row_serializer, text_fields
from penstock.intents.sensitive import REVEALED

IDENTITY_COLUMNS: Final = {"intent_id": ID, "intent_time": TIME}
"""The column in which an intent's id and its time arrive, by the names that bindings have for them."""

IDENTITY_TYPES: Final[dict[str, Type]] = {ID: Uuid(), TIME: DateTime(timezone=True)}
"""The types of these columns."""

Write = Callable[[IntentSet], str]
"""Writes the values of a field as the items of an array literal."""

_INSTANTS: Final = {"datetime", "aware datetime"}


class _Sent(NamedTuple):
    """A field that is sent in an array."""

    field: str
    type: Type
    parameter: str
    place: int
    write: Write


class Transport:
    """How the fields of a kind are sent: each in an array, or in the JSON of those that cannot be."""

    def __init__(self, intent: type[WriteIntent]) -> None:
        self._intent = intent
        self._sent = {
            ID: _Sent(ID, IDENTITY_TYPES[ID], UUIDS, 0, lambda intents: ",".join(intents.ids)),
            TIME: _Sent(TIME, IDENTITY_TYPES[TIME], TIMES, 0, lambda intents: ",".join(intents.times)),
        }
        self._records: list[dict[str, Type]] = []

    def add(self, field: str, type_: Type) -> str:
        """Send a field as a type; return the column of `rows` in which it arrives."""
        if field in IDENTITY:
            return IDENTITY_COLUMNS[field]
        found = field_type(self._intent, field)
        if not sent_as_array(found, type_):
            number = self._add_to_record(field, type_)
            return f"r{number}_{[*self._records[number]].index(field)}"
        names = set[str]().union(*map(type_names, found.alternatives))
        # A text in another form than Python's is read one by one: then only its own row is refused.
        if names == {"UUID"} and same_type(type_, IDENTITY_TYPES[ID]):
            return self.add_array(field, type_, UUIDS, _uuid_writer(field))
        if names and names <= _INSTANTS and same_type(type_, IDENTITY_TYPES[TIME]):
            return self.add_array(field, type_, TIMES, _time_writer(self._intent, field))
        return self.add_array(field, type_, TEXTS, _column_writer(self._intent, field))

    def add_fingerprint(self, field: str) -> str:
        """Send the fingerprints of a `Sensitive` field; return the column of `rows` in which they arrive."""
        return self.add_array(f"{field} fingerprint", BigInteger(), TEXTS, _fingerprint_writer(field))

    def add_array(self, field: str, type_: Type, parameter: str, write: Write) -> str:
        """Send values in the array of a parameter; return the column of `rows` in which they arrive."""
        for name, sent in self._sent.items():
            if sent.field == field and same_type(sent.type, type_):
                return name
        name = f"a{len(self._sent)}"
        place = sum(sent.parameter == parameter for sent in self._sent.values())
        self._sent[name] = _Sent(field, type_, parameter, place, write)
        return name

    def _add_to_record(self, field: str, type_: Type) -> int:
        """Return the record that reads a field as this type. Each record can read a field as one type only."""
        for number, record in enumerate(self._records):
            if same_type(record.setdefault(field, type_), type_):
                return number
        self._records.append({field: type_})
        return len(self._records) - 1

    def rows(self) -> Subquery | TableValuedAlias:
        """Return the rows that Postgres makes of the wire."""
        arrays = {
            name: items(sent.parameter, sent.place, sent.type if sent.parameter == TEXTS else None)
            for name, sent in self._sent.items()
        }
        types = {name: sent.type for name, sent in self._sent.items()}
        return _joined(arrays, types, self._records) if self._records else _listed(arrays, types)

    def writer(self) -> Callable[[IntentSet], Wire]:
        """Return the function that writes intents."""
        by_parameter = {
            parameter: [sent.write for sent in self._sent.values() if sent.parameter == parameter]
            for parameter in (UUIDS, TIMES, TEXTS)
        }
        uuids, times, texts = by_parameter.values()
        fields = {field for record in self._records for field in record}
        write_records = _record_writer(self._intent, fields) if fields else None

        def write(intents: IntentSet) -> Wire:
            return Wire(
                len(intents),
                _together(uuids, intents),
                _together(times, intents),
                _together(texts, intents) if texts else None,
                write_records(intents) if write_records else None,
            )

        return write


def _together(writers: Sequence[Write], intents: IntentSet) -> str:
    return ",".join([write(intents) for write in writers]) if intents else ""


def _listed(arrays: Mapping[str, ColumnElement[Any]], types: Mapping[str, Type]) -> Subquery:
    """Take arrays apart in the list of a SELECT, which is faster than ROWS FROM."""
    columns = (func.pg_catalog.unnest(array, type_=types[name]).label(name) for name, array in arrays.items())
    return select(*columns).subquery("penstock_wire")


def _joined(
    arrays: Mapping[str, ColumnElement[Any]], types: Mapping[str, Type], recordsets: Sequence[Mapping[str, Type]]
) -> TableValuedAlias:
    """Join arrays and records by position. All records read the same JSON."""
    parts: list[ColumnElement[Any]] = [func.pg_catalog.unnest(array) for array in arrays.values()]
    columns: list[Any] = [column(name, types[name]) for name in arrays]
    for number, record in enumerate(recordsets):
        parts.append(RecordFunction(func.pg_catalog.json_to_recordset(parameter(RECORDS)), record))
        columns += [column(f"r{number}_{place}", type_) for place, type_ in enumerate(record.values())]
    return RowsFrom(*parts).table_valued(*columns).render_derived(name="penstock_wire")


def _uuid_writer(field: str) -> Write:
    def write(intents: IntentSet) -> str:
        return ",".join(["NULL" if value is None else str(value) for value in intents.column(field)])

    return write


def _time_writer(intent: type[WriteIntent], field: str) -> Write:
    write_objects = _column_writer(intent, field)
    if field not in text_fields(intent):
        return write_objects

    def write(intents: IntentSet) -> str:
        if not intents.are_dicts:
            return write_objects(intents)
        return ",".join(["NULL" if value is None else value for value in intents.column(field)])

    return write


def _column_writer(intent: type[WriteIntent], field: str) -> Write:
    write_items = items_writer(intent, field)
    is_text = text_fields(intent).get(field) is datetime

    def write(intents: IntentSet) -> str:
        values = intents.column(field)
        return write_items(map(_time, values) if is_text and intents.are_dicts else values)

    return write


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _fingerprint_writer(field: str) -> Write:
    def write(intents: IntentSet) -> str:
        return ",".join(str(value.fingerprint) if value else "NULL" for value in intents.column(field))

    return write


def _record_writer(intent: type[WriteIntent], fields: set[str]) -> Callable[[IntentSet], str]:
    serializer = TypeAdapter(list[intent], config=CONFIG).serializer  # type: ignore[valid-type]
    include = {"__all__": fields}
    times = [name for name, type_ in text_fields(intent).items() if name in fields and type_ is datetime]

    def write(intents: IntentSet) -> str:
        if intents.are_dicts:
            rows = [row | {name: _time(row[name]) for name in times} if times else row for row in intents.rows]
            return row_serializer(intent).to_json(rows, include=include, by_alias=False, warnings=False).decode()
        json = serializer.to_json(intents.rows, include=include, by_alias=False, warnings=False, context=REVEALED)
        return json.decode()

    return write


def same_type(one: Type, other: Type) -> bool:
    """Return whether two types are the same in Postgres."""
    return sql_type_name(one) == sql_type_name(other)
