"""Whose fault an error is, is found by experiment: the SQLSTATE of a single row's error may be any."""

import time
from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import Column, Connection, Engine, MetaData, Table, Uuid, text
from sqlalchemy.dialects.postgresql import JSONPATH, REGCLASS, TSQUERY, TSVECTOR

from penstock import WriteIntent
from penstock.consumer import Append, Custom, Drain
from penstock.consumer.pipeline.bisect import SYSTEMIC_MIN_ROWS
from penstock.settings import Settings
from penstock.testing import LambdaContext, MemoryQueue, sqs_event
from tests.support.drain import Bench, ThingMade, things
from tests.support.triggers import add_trigger


class Noted(WriteIntent, kind="noted"):
    value: str


class TypedBench(Bench):
    """A drain of one kind that writes a text to a column of any type."""

    def __init__(self, engine: Engine, type_: Any) -> None:
        super().__init__(engine)
        self.drain = Drain(engine=engine, queue=self.queue, dead_letters=self.dead_letters)
        table = Table("typed", MetaData(), Column("intent_id", Uuid, primary_key=True), Column("value", type_))
        table.create(engine)
        self.drain.write(Noted, Append(table))

    def count(self) -> int:
        with self.engine.connect() as connection:
            return connection.scalar(text("SELECT count(*) FROM typed")) or 0


@pytest.fixture
def bench(engine: Engine) -> Bench:
    return Bench(engine)


@pytest.mark.parametrize(
    ("type_", "good", "bad"),
    [
        (TSQUERY, "a & b", "a & & ("),
        (TSVECTOR, "a b", "'unclosed"),
        (JSONPATH, "$.a", "$.["),
        (REGCLASS, "pg_class", "no_such_table"),
    ],
)
def test_a_malformed_text_is_set_aside(engine: Engine, type_: Any, good: str, bad: str) -> None:
    """A text that the type of the column refuses is dead-lettered, whatever code the type's parser raises."""
    bench = TypedBench(engine, type_)
    assert bench([Noted(value=good), Noted(value=bad), Noted(value=good)]) == []
    assert bench.count() == 2
    assert len(bench.letters) == 1


def test_a_generated_column_that_fails_is_the_fault_of_its_row(bench: Bench) -> None:
    """A row for which a generated column cannot be computed is dead-lettered."""
    with bench.engine.begin() as connection:
        connection.execute(
            text("ALTER TABLE things ADD q tsquery GENERATED ALWAYS AS (to_tsquery('simple', name)) STORED")
        )
    assert bench([ThingMade(name="a"), ThingMade(name="b & & ("), ThingMade(name="c")]) == []
    assert bench.names == ["a", "c"]
    assert len(bench.letters) == 1


@pytest.mark.parametrize("sqlstate", ["42P01", "0A000", "XX000", "26000", "3F000", "42883", "57014"])
def test_a_row_is_at_fault_if_its_neighbours_land(bench: Bench, sqlstate: str) -> None:
    """Whatever a trigger raises for one row, its neighbours land, and only this row does not."""
    add_trigger(bench.engine, f"IF NEW.name = 'bad' THEN RAISE 'no' USING ERRCODE = '{sqlstate}'; END IF")
    failed = bench([ThingMade(name="a"), ThingMade(name="bad"), ThingMade(name="b")])
    assert bench.names == ["a", "b"]
    assert len(failed) + len(bench.letters) == 1
    assert (sqlstate == "57014") == bool(failed)


@pytest.mark.parametrize("sqlstate", ["58030", "XX001", "XX002", "2200H"])
def test_a_damaged_disk_blames_no_row(bench: Bench, sqlstate: str) -> None:
    """An error of the disk, a damaged page or an exhausted sequence dead-letters nothing; the neighbours land."""
    add_trigger(bench.engine, f"IF NEW.name = 'bad' THEN RAISE 'no' USING ERRCODE = '{sqlstate}'; END IF")
    assert len(bench([ThingMade(name="a"), ThingMade(name="bad"), ThingMade(name="b")])) == 1
    assert bench.names == ["a", "b"]
    assert bench.letters == []


@pytest.mark.parametrize("sqlstate", ["42P01", "XX000"])
def test_many_that_fail_alike_are_not_all_data(bench: Bench, sqlstate: str) -> None:
    """If no row lands, an error that is not one of the data dead-letters nothing."""
    add_trigger(bench.engine, f"RAISE 'no' USING ERRCODE = '{sqlstate}'")
    for many in (1, SYSTEMIC_MIN_ROWS + 5):
        assert len(bench([ThingMade(name=str(n)) for n in range(many)])) == many
    assert bench.letters == []


def test_a_missing_table_is_found_with_one_more_statement(bench: Bench) -> None:
    """If the statement fails without rows too, nothing is cut up, and nothing is dead-lettered."""
    with bench.engine.begin() as connection:
        connection.execute(text("DROP TABLE things"))
    assert len(bench([ThingMade(name=str(n)) for n in range(500)])) == 500
    assert bench.letters == []


def test_a_slow_row_goes_back_and_its_neighbours_land(engine: Engine) -> None:
    """A row that takes longer than there is time is found; its neighbours land, and the breaker does not trip."""
    bench = Bench(engine)
    bench.drain = Drain(
        Settings(event_source_mapping="11111111-1111-4111-8111-111111111111"),
        engine=engine,
        queue=bench.queue,
        dead_letters=bench.dead_letters,
    )
    bench.drain.write(ThingMade, Append(things))
    add_trigger(engine, "IF NEW.name = 'slow' THEN PERFORM pg_sleep(60); END IF")
    intents = [ThingMade(name="slow" if n == 250 else str(n)) for n in range(500)]
    started = time.monotonic()
    answer = bench.drain.handler(sqs_event(intents), LambdaContext(seconds=20))
    assert time.monotonic() - started < 20
    assert len(bench.names) == 499
    assert len(answer["batchItemFailures"]) == 1


def test_an_error_of_the_driver_is_found_too(engine: Engine) -> None:
    """U+0000 in a text that a function passes to the driver has no code; its row is set aside."""
    queue, dead = MemoryQueue(), MemoryQueue()
    drain = Drain(engine=engine, queue=queue, dead_letters=dead)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE notes (value text)"))

    def note(connection: Connection, intents: Sequence[Noted]) -> None:
        assert intents
        for intent in intents:
            connection.execute(
                text("INSERT INTO notes VALUES (:value)"), {"value": intent.value.replace("0", "\0")}
            )

    drain.write(Noted, Custom(note))
    event = sqs_event([Noted(value=value) for value in ("a", "0", "b")])
    assert drain.handler(event, LambdaContext()) == {"batchItemFailures": []}
    assert len(dead.messages) == 1
