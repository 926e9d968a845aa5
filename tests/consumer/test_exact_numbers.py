"""Numbers of a message: they land digit for digit, or the message is dead-lettered."""

import json
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Column, Engine, MetaData, Numeric, Table, Uuid, select
from sqlalchemy.dialects.postgresql import JSONB

from penstock import WriteIntent
from penstock.consumer import Append, Drain
from penstock.consumer.dead_letter import DeadLetter
from penstock.intents import encode_envelope, new_id
from penstock.testing import LambdaContext, MemoryQueue, sqs_event
from tests.support.numbers import literals

LONG = "12345678901234567.890123"

metadata = MetaData()
prices = Table(
    "prices",
    metadata,
    Column("intent_id", Uuid, primary_key=True),
    Column("price", Numeric),
    Column("notes", JSONB),
)


class PriceSet(WriteIntent, kind="price.set"):
    price: Decimal
    notes: Any = None


def message(price: str, notes: str = "null") -> str:
    text = encode_envelope(PriceSet(price=Decimal(1), notes="NOTES"), id=new_id(), source="/test")
    return text.replace('"price":"1"', f'"price":{price}').replace('"NOTES"', notes)


def test_numbers_land_digit_for_digit_or_not_at_all(engine: Engine) -> None:
    """A JSON number lands in a numeric column as it was written; in JSON of any type it is refused, alone."""
    metadata.create_all(engine)
    dead = MemoryQueue()
    drain = Drain(engine=engine, queue=MemoryQueue(), dead_letters=dead)
    drain.write(PriceSet, Append(prices))
    bodies = [message(LONG), message("0.1"), message("1", f'{{"x": {LONG}}}'), message("2", '{"x": 0.25}')]
    assert drain.handler(sqs_event(bodies), LambdaContext()) == {"batchItemFailures": []}
    with engine.connect() as connection:
        rows = {row.price: row.notes for row in connection.execute(select(prices))}
    assert rows == {Decimal(LONG): None, Decimal("0.1"): None, Decimal(2): {"x": 0.25}}
    (letter,) = [DeadLetter.read(one.attributes) for one in dead.messages]
    assert letter is not None
    assert letter.detail == "invalid-data: data.notes inexact_number"


LITERALS = literals(40)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(literals=st.lists(LITERALS, min_size=40, max_size=40))
def test_what_lands_in_a_numeric_column_is_the_literal(engine: Engine, literals: list[str]) -> None:
    """Whatever number is written, as JSON or as text, by any sender, the numeric column has its value."""
    metadata.create_all(engine)
    drain = Drain(engine=engine, queue=MemoryQueue(), dead_letters=(dead := MemoryQueue()))
    drain.write(PriceSet, Append(prices))
    native = [message(literal) for literal in literals]
    foreign = [message(literal).replace('"specversion"', '"comexample": 1, "specversion"') for literal in literals]
    texts = [message(f'"{literal}"') for literal in literals]
    bodies = [*native, *foreign, *texts]
    assert drain.handler(sqs_event(bodies), LambdaContext()) == {"batchItemFailures": []}
    assert dead.messages == []
    with engine.connect() as connection:
        landed = {str(row.intent_id): row.price for row in connection.execute(select(prices))}
    wanted = {json.loads(body)["id"]: Decimal(literal) for body, literal in zip(bodies, literals * 3, strict=True)}
    assert {id_: landed[id_] for id_ in wanted} == wanted
