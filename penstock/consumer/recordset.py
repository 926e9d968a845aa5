"""A set of intents as ONE json parameter, which Postgres takes apart into typed rows.

The statement's text is short and stays the same however many rows there are: no limit of 65,535 parameters, one
entry in pg_stat_statements, nothing that makes RDS Proxy pin. The types are the table's own, so that Postgres
reads each value as that column would (PostgreSQL documentation, "JSON Functions": json_to_recordset).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import JSON, DateTime, Select, Text, Uuid, bindparam, cast, column, func, select, true
from sqlalchemy.types import TypeEngine

from penstock.consumer.binding import IDENTITY
from penstock.intents import Envelope, WriteIntent

_INCLUDED = {"__all__": {"id", "time", "data"}}


class Recordset:
    """Rows made of envelopes of one kind."""

    def __init__(self, intent: type[WriteIntent], fields: Mapping[str, TypeEngine[Any]]) -> None:
        """Take the class of intents, and the type in the database of each field that is read."""
        self._adapter: TypeAdapter[list[Envelope[Any]]] = TypeAdapter(list[Envelope[intent]])  # type: ignore[valid-type]
        self._fields = fields

    def select(self, fields: Sequence[str]) -> Select[Any]:
        """Select these fields, in this order, of every row of the parameter `rows`."""
        envelopes = (
            func.json_to_recordset(cast(bindparam("rows", type_=Text), JSON))
            .table_valued(column("id", Uuid), column("time", DateTime(timezone=True)), column("data", JSON))
            .render_derived(name="envelope", with_types=True)
        )
        typed = [column(name, type_) for name, type_ in self._fields.items() if name not in IDENTITY]
        data = func.json_to_record(envelopes.c.data).table_valued(*typed)
        data = data.render_derived(name="data", with_types=True)
        sources = {**data.c, **dict(zip(IDENTITY, (envelopes.c.id, envelopes.c.time), strict=True))}
        return select(*(sources[name] for name in fields)).select_from(envelopes.join(data, true()))

    def dump(self, envelopes: Sequence[Envelope[Any]]) -> str:
        """Write envelopes as the parameter: what was validated, dumped again."""
        return self._adapter.dump_json(list(envelopes), include=_INCLUDED, by_alias=False).decode()
