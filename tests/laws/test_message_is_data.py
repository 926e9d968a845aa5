"""A message is data: whatever a sender writes into it, no name and no SQL is taken from it."""

import json
from uuid import uuid4

import pytest
from sqlalchemy import Engine, text

from penstock.intents import encode_envelope, new_id
from tests.support.drain import Bench, ThingMade

HOSTILE = [
    "'; DROP TABLE things; --",
    '"; DROP TABLE things; --',
    "$1",
    "%s %(name)s %",
    ":name",
    "{name!r}",
    "\\'; DROP TABLE things; --",
    "'); DELETE FROM penstock.ledger; --",
    "things; TRUNCATE things",
    '{"a": 1}',
    "NULL",
    "\\N",
    "{a,b}",
    "\u202e\u0301\ufeff",
]


@pytest.fixture
def bench(engine: Engine) -> Bench:
    return Bench(engine)


def test_hostile_values_land_as_they_are(bench: Bench) -> None:
    """A value that looks like SQL, like a parameter or like a format is written character for character."""
    assert bench([ThingMade(name=value) for value in HOSTILE]) == []
    assert bench.names == sorted(HOSTILE)
    assert bench.dead_letters.messages == []


@pytest.mark.parametrize("value", HOSTILE)
def test_hostile_names_reach_no_statement(bench: Bench, value: str) -> None:
    """A kind, a field, an id or a source that looks like SQL changes no table, and its neighbours land."""
    sound = json.loads(encode_envelope(ThingMade(name="sound"), id=new_id(), source="/test"))
    hostile = [
        sound | {"id": str(uuid4()), "type": value},
        sound | {"id": value},
        sound | {"id": str(uuid4()), "data": {"name": "hostile", value: 1}},
        sound | {"id": str(uuid4()), value: "x"},
    ]
    with bench.engine.connect() as connection:
        before = connection.execute(text("SELECT count(*) FROM pg_class")).scalar_one()
    bench([*map(json.dumps, hostile), json.dumps(sound)])
    assert bench.names == ["sound"]
    with bench.engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM pg_class")).scalar_one() == before
