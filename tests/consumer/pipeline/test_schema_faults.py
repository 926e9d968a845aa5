"""What a table requires beyond what its intents carry is not the fault of the intents."""

import pytest
from sqlalchemy import Column, Engine, ForeignKey, Integer, MetaData, Table, Text, Uuid, text

from penstock import WriteIntent
from penstock.consumer import Append, Drain
from penstock.consumer.pipeline.bisect import SYSTEMIC_MIN_ROWS
from penstock.consumer.retention import PATIENCE_SECONDS
from penstock.testing import LambdaContext, MemoryQueue, sqs_event
from tests.support.drain import Bench, ThingMade
from tests.support.triggers import add_trigger


@pytest.fixture
def bench(engine: Engine) -> Bench:
    return Bench(engine)


def run(engine: Engine, *statements: str) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


UNCARRIED = {
    "not null": [
        "ALTER TABLE things ADD extra text NOT NULL DEFAULT 'x'",
        "ALTER TABLE things ALTER extra DROP DEFAULT",
    ],
    "check": ["ALTER TABLE things ADD extra int DEFAULT 1, ADD CONSTRAINT big CHECK (extra > 1)"],
    "check of nothing": ["ALTER TABLE things ADD CHECK (current_setting('server_version') = 'other')"],
    "unique": [
        "ALTER TABLE things ADD extra int DEFAULT 1 UNIQUE",
        "INSERT INTO things VALUES (gen_random_uuid(), 'z')",
    ],
    "unique index": ["ALTER TABLE things ADD extra int DEFAULT 1", "CREATE UNIQUE INDEX ON things (extra)"],
}


@pytest.mark.parametrize("statements", UNCARRIED.values(), ids=UNCARRIED)
@pytest.mark.parametrize("count", [2, SYSTEMIC_MIN_ROWS])
def test_a_column_that_is_not_carried_is_not_the_intents_fault(
    bench: Bench, statements: list[str], count: int
) -> None:
    """A constraint on a column that the intent does not carry dead-letters nothing, however often it is tried."""
    run(bench.engine, *statements)
    event = sqs_event([ThingMade(name=str(n)) for n in range(count)])
    bench.queue.clock.advance(PATIENCE_SECONDS)
    for _ in range(6):
        assert bench.failed(event)
    assert bench.letters == []


def test_a_serial_behind_its_table_catches_up(bench: Bench) -> None:
    """Intents that get a number that is taken go back, and land once the sequence is beyond it."""
    run(
        bench.engine,
        "ALTER TABLE things ADD number serial UNIQUE",
        "INSERT INTO things (intent_id, name, number) SELECT gen_random_uuid(), 'old ' || n, n"
        " FROM generate_series(1, 6) n",
    )
    event = sqs_event([ThingMade(name="a"), ThingMade(name="b")])
    for _ in range(20):
        bench.failed(event)
    assert bench.letters == []
    assert {"a", "b"} < {*bench.names}


def test_a_missing_partition_sends_back(engine: Engine) -> None:
    """An intent for which there is no partition yet goes back, and its neighbours land."""
    table = Table(
        "parts",
        MetaData(),
        Column("intent_id", Uuid),
        Column("name", Text),
        Column("size", Integer),
        Column("parent", Text),
    )
    run(
        engine,
        "CREATE TABLE parts (intent_id uuid, name text, size int, parent text) PARTITION BY LIST (name)",
        "CREATE TABLE parts_a PARTITION OF parts FOR VALUES IN ('a')",
    )
    bench = Bench(engine)
    bench.drain = Drain(engine=engine, queue=bench.queue, dead_letters=bench.dead_letters)
    bench.drain.write(ThingMade, Append(table))
    assert len(bench([ThingMade(name="a"), ThingMade(name="b")])) == 1
    assert bench.letters == []


@pytest.mark.parametrize(
    "statement",
    [
        "RAISE 'no' USING ERRCODE = '23514'",
        "NEW.extra = NEW.name",
    ],
)
def test_what_a_trigger_makes_of_the_intent_is_its_fault(bench: Bench, statement: str) -> None:
    """A check that a trigger raises, and a column that it fills from the intent, remain faults of the intent."""
    run(bench.engine, "ALTER TABLE things ADD extra text CHECK (extra <> 'bad')")
    add_trigger(bench.engine, f"IF NEW.name = 'bad' THEN {statement}; END IF")
    assert bench([ThingMade(name="bad"), ThingMade(name="a")]) == []
    assert [letter.sqlstate for letter in bench.letters] == ["23514"]


def test_a_generated_column_belongs_to_the_intent(bench: Bench) -> None:
    """A constraint on a column that is generated from the intent's values is the intent's fault."""
    run(bench.engine, "ALTER TABLE things ADD extra text GENERATED ALWAYS AS (lower(name)) STORED UNIQUE")
    assert bench([ThingMade(name="A"), ThingMade(name="b")]) == []
    assert bench([ThingMade(name="a"), ThingMade(name="c")]) == []
    assert [letter.sqlstate for letter in bench.letters] == ["23505"]


class ItemMade(WriteIntent, kind="item.made"):
    owner: str


def test_children_of_a_kind_that_waits_keep_their_patience(engine: Engine) -> None:
    """While the parent's kind cannot be written, its children use up no attempts, in its batches and in others."""
    metadata = MetaData()
    owners = Table("owners", metadata, Column("name", Text, primary_key=True), Column("late", Text))
    owned = Table(
        "owned",
        metadata,
        Column("intent_id", Uuid, primary_key=True),
        Column("owner", Text, ForeignKey("owners.name")),
    )
    metadata.create_all(engine)
    run(engine, "ALTER TABLE owners DROP late")

    class Owner(WriteIntent, kind="owner.known"):
        name: str
        late: str

    queue, dead = MemoryQueue(), MemoryQueue()
    drain = Drain(engine=engine, queue=queue, dead_letters=dead)
    drain.write(Owner, Append(owners))
    drain.write(ItemMade, Append(owned))
    parent, child = Owner(name="o", late="x"), ItemMade(owner="o")
    queue.clock.advance(PATIENCE_SECONDS)
    for batch in ([parent, child], [child]) * 4:
        assert len(drain.handler(sqs_event(batch), LambdaContext())["batchItemFailures"]) == len(batch)
    assert dead.messages == []
    run(engine, "ALTER TABLE owners ADD late text")
    assert drain.handler(sqs_event([parent, child]), LambdaContext()) == {"batchItemFailures": []}
