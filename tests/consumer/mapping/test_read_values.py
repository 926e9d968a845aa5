"""What was read without an object reaches a column as what was decoded does."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import (
    ARRAY,
    Boolean,
    Column,
    Connection,
    Date,
    DateTime,
    Double,
    Engine,
    Integer,
    Interval,
    LargeBinary,
    Numeric,
    String,
    Text,
    Time,
    Uuid,
    cast,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.exc import DBAPIError

from penstock import UtcDatetime, WriteIntent
from penstock.consumer.batch import Item
from penstock.consumer.mapping.columns import DIGEST, ID, TIME
from penstock.consumer.mapping.compatibility import type_errors
from penstock.consumer.mapping.field_types import field_type
from penstock.consumer.pipeline.decode import decode, read
from penstock.consumer.rows.intent_set import IntentSet
from penstock.consumer.rows.recordset import Recordset, Source
from penstock.consumer.rows.wire import Type
from penstock.intents import Contract
from penstock.intents.row_schema import row_schema
from tests.support.evolution import event, kind_with
from tests.support.field_types import TYPES, VALUES
from tests.support.mutated_bodies import IDS, LINES, READ_TYPES, TIMES, Line

COLUMNS: Sequence[Type] = [
    *(Boolean(), Date(), DateTime(timezone=True), DateTime(), Double(), Integer(), Interval(), LargeBinary()),
    *(Numeric(), Numeric(6, 2), String(8), Text(), Time(), Uuid(), JSONB()),
    *(
        TIMESTAMP(timezone=True, precision=3),
        ARRAY(Text),
        ARRAY(Integer),
        ARRAY(DateTime(timezone=True)),
        ARRAY(Uuid),
    ),
]
"""Types of columns, each of which needs another way of sending."""

SAMPLES = [*VALUES, *TIMES, *IDS[:6], *LINES]

FORMS: Sequence[Any] = [
    UUID,
    UUID | None,
    UtcDatetime,
    UtcDatetime | None,
    UtcDatetime | str,
    bytes,
    Line,
    list[Line],
    dict[str, Any],
]
"""Types of fields that are written in another way if they are read as texts, or in a dict."""

PAIRS = [
    (type_, column)
    for type_ in {repr(one): one for one in [*READ_TYPES, *TYPES]}.values()
    if row_schema(kind := kind_with({"value": type_})) is not None
    for column in COLUMNS
    if not [*type_errors(field_type(kind, "value"), Column("value", column))]
]


def items_of(kind: type[WriteIntent], bodies: Sequence[str]) -> tuple[list[Item], list[Item]]:
    """Return the items of those bodies that are read together: as they are read, and as they are decoded."""
    contract = Contract([kind])
    items = [Item({"body": body}) for body in bodies]
    others = read(items, contract.reader({kind.intent_kind}), contract)
    as_read = [item for item in items if item not in others]
    decoded = [Item(item.record) for item in as_read]
    decode(decoded, contract)
    return as_read, decoded


def rows(connection: Connection, recordset: Recordset, intents: IntentSet) -> list[Any]:
    """Return what Postgres makes of a set, or the error that it has for it."""
    columns = [cast(recordset.cte.c[name], Text) for name in (ID, TIME, DIGEST, "value")]
    try:
        with connection.begin_nested():
            return [*map(tuple, connection.execute(select(*columns), recordset.write(intents).parameters()))]
    except DBAPIError as error:
        return [getattr(error.orig, "sqlstate", None)]


def compare(engine: Engine, pairs: Sequence[tuple[Any, Type]]) -> int:
    """Compare what Postgres makes of sets that were read and decoded; return the number of rows."""
    compared = 0
    with engine.connect() as connection:
        for type_, column in pairs:
            kind = kind_with({"value": type_})
            recordset = Recordset(kind, {"value": Source("value", column)})
            sets = [items_of(kind, [event("made", {"value": value}) for value in SAMPLES])]
            for some, others in sets:
                mixed = [pair[number % 2] for number, pair in enumerate(zip(some, others, strict=True))]
                found = rows(connection, recordset, IntentSet.of([one.require_envelope() for one in others]))
                assert rows(connection, recordset, IntentSet.of_items(some)) == found, (
                    type_,
                    column,
                    some[0].record,
                )
                assert rows(connection, recordset, IntentSet.of_items(mixed)) == found, (
                    type_,
                    column,
                    some[0].record,
                )
                compared += len(found)
                if len(found) < len(some) > 1:  # An error: it may be that of one row.
                    middle = len(some) // 2
                    sets += [(some[:middle], others[:middle]), (some[middle:], others[middle:])]
    return compared


def test_postgres_reads_the_same(engine: Engine) -> None:
    """Whatever column a UUID, a time or bytes are written to: Postgres has the same value and digest, or error."""
    assert compare(engine, [pair for pair in PAIRS if pair[0] in FORMS]) > 200


@pytest.mark.campaign
def test_postgres_reads_the_same_of_every_type(engine: Engine) -> None:
    """The same for every type that is read without an object."""
    assert compare(engine, PAIRS) > 1000
