"""An id that comes again: with the same payload it is a duplicate, with another one a data fault."""

import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import pytest
from pydantic import Field
from sqlalchemy import (
    JSON,
    Column,
    Connection,
    DateTime,
    Engine,
    MetaData,
    Table,
    Text,
    Uuid,
    event,
    select,
    text,
)

from penstock import WriteIntent
from penstock.consumer import Append, Custom, Drain
from penstock.database import ledger
from penstock.intents import Contract, encode_envelope, new_id
from penstock.testing import LambdaContext, MemoryQueue, sqs_event
from tests.support.drain import Bench, ThingMade, things
from tests.support.statements import recorded


@pytest.fixture
def bench(engine: Engine) -> Bench:
    return Bench(engine)


def _sealed(id_: Any, **fields: Any) -> str:
    return encode_envelope(ThingMade(**fields), id=id_, source="/test")


def _reused(bench: Bench) -> list[Any]:
    with bench.engine.connect() as connection:
        return list(connection.scalars(select(ledger.c.id).where(ledger.c.reused_at.is_not(None))))


def test_a_reused_id_is_dead_lettered(bench: Bench) -> None:
    """An intent with the id of another that took effect changes nothing, and is dead-lettered as `id-reused`."""
    id_ = new_id()
    assert bench([_sealed(id_, name="first", size=1)]) == []
    assert bench([_sealed(id_, name="first", size=2), ThingMade(name="neighbour")]) == []
    assert bench.names == ["first", "neighbour"]
    assert [(letter.reason, letter.id) for letter in bench.letters] == [("id-reused", str(id_))]
    assert bench.outcomes[id_] == "applied"
    assert _reused(bench) == [id_]


def test_a_reused_id_inside_a_batch_is_dead_lettered(bench: Bench) -> None:
    """Of two different payloads in one batch the first is written, and a repetition of it is a duplicate."""
    id_ = new_id()
    bodies = [_sealed(id_, name="first"), _sealed(id_, name="other"), _sealed(id_, name="first")]
    assert bench(bodies) == []
    assert bench.names == ["first"]
    assert [letter.reason for letter in bench.letters] == ["id-reused"]
    assert _reused(bench) == [id_]


def test_the_form_of_the_text_does_not_matter(bench: Bench) -> None:
    """The same payload in another form of JSON, at another time and from another source, is a duplicate."""
    id_ = new_id()
    assert bench([_sealed(id_, name="ä", size=None)]) == []
    again = (
        encode_envelope(ThingMade(name="ä"), id=id_, source="/elsewhere")
        .replace("ä", "\\u00e4")
        .replace(": ", ":\n ")
    )
    assert bench([again]) == []
    assert bench.letters == []
    assert _reused(bench) == []


def test_the_id_of_a_dead_intent_is_free(bench: Bench) -> None:
    """A dead intent took no effect: another payload with its id is written, and then the first is `id-reused`."""
    bench([ThingMade(name="taken")])
    id_ = new_id()
    bench([_sealed(id_, name="taken")])
    assert bench.outcomes[id_] == "dead"
    assert bench([_sealed(id_, name="free")]) == []
    assert bench.outcomes[id_] == "applied"
    bench([_sealed(id_, name="taken")])
    assert [letter.reason for letter in bench.letters] == ["UniqueViolation", "id-reused"]
    assert bench.outcomes[id_] == "applied"


def test_a_new_field_makes_no_duplicate_a_fault(bench: Bench) -> None:
    """A redelivery after a deployment that added a field is still a duplicate."""
    id_ = new_id()
    assert bench([_sealed(id_, name="first")]) == []

    class Later(WriteIntent, kind="thing.made"):
        name: str
        size: int | None = None
        parent: str | None = None
        colour: str = "red"

    with bench.engine.begin() as connection:
        connection.execute(text("ALTER TABLE things ADD colour text"))
    later = Drain(engine=bench.engine, queue=MemoryQueue(), dead_letters=bench.dead_letters)
    later.write(Later, Custom(lambda _connection, _intents: None))
    answer = later.handler(sqs_event([_sealed(id_, name="first")]), LambdaContext())
    assert answer == {"batchItemFailures": []}
    assert bench.letters == []


def test_a_function_is_not_called_for_a_reused_id(engine: Engine) -> None:
    """Payloads of a `Custom` kind, whose fields reach no table, are compared too."""
    seen: list[str] = []
    dead_letters = MemoryQueue()

    def note(_connection: Connection, intents: Sequence[ThingMade]) -> None:
        seen.extend(intent.name for intent in intents)

    drain = Drain(engine=engine, queue=MemoryQueue(), dead_letters=dead_letters)
    drain.write(ThingMade, Custom(note))
    id_ = new_id()
    for name in ("first", "first", "other"):
        assert drain.handler(sqs_event([_sealed(id_, name=name)]), LambdaContext()) == {"batchItemFailures": []}
    assert seen == ["first"]
    assert len(dead_letters.messages) == 1


def test_another_kind_with_the_same_id_is_a_conflict(bench: Bench) -> None:
    """An id that an intent of one kind has is taken for all kinds."""

    class Else(WriteIntent, kind="else"):
        name: str

    bench.drain = Drain(engine=bench.engine, queue=bench.queue, dead_letters=bench.dead_letters)
    bench.drain.write(ThingMade, Append(things))
    bench.drain.write(Else, Custom(lambda _connection, _intents: None))
    id_ = new_id()
    assert bench([_sealed(id_, name="a")]) == []
    assert bench([encode_envelope(Else(name="a"), id=id_, source="/test")]) == []
    assert [letter.reason for letter in bench.letters] == ["id-reused"]


def test_a_retry_at_another_time_is_a_duplicate(engine: Engine) -> None:
    """The time of an intent is no part of its payload, even if it is written to a column."""
    timed = Table("timed", MetaData(), Column("intent_id", Uuid, primary_key=True))
    for column in (Column("intent_time", DateTime(timezone=True)), Column("name", Text)):
        timed.append_column(column)
    timed.metadata.create_all(engine)

    class Timed(WriteIntent, kind="timed"):
        name: str

    dead_letters = MemoryQueue()
    drain = Drain(engine=engine, queue=MemoryQueue(), dead_letters=dead_letters)
    drain.write(Timed, Append(timed))
    id_ = new_id()
    for _ in range(2):
        later = sqs_event([encode_envelope(Timed(name="a"), id=id_, source="/test")])
        assert drain.handler(later, LambdaContext()) == {"batchItemFailures": []}
    assert dead_letters.messages == []


def test_a_duplicate_behind_another_payload_is_one(bench: Bench) -> None:
    """An intent that took effect before is a duplicate, even behind another payload with its id."""
    id_ = new_id()
    bench([_sealed(id_, name="first")])
    assert bench([_sealed(id_, name="other"), _sealed(id_, name="first")]) == []
    assert [letter.reason for letter in bench.letters] == ["id-reused"]


def test_default_factories_make_no_difference(bench: Bench) -> None:
    """A field that a default factory fills at each decoding does not make payloads different."""

    class Filled(WriteIntent, kind="filled"):
        name: str
        token: UUID = Field(default_factory=uuid4)
        tags: frozenset[str] = frozenset()

    table = Table("filled", MetaData(), Column("name", Text), Column("token", Uuid), Column("tags", JSON))
    table.metadata.create_all(bench.engine)
    bench.drain = Drain(engine=bench.engine, queue=bench.queue, dead_letters=bench.dead_letters)
    bench.drain.write(Filled, Append(table))
    head = {"specversion": "1.0", "id": str(new_id()), "source": "/x", "type": "filled"}
    body = json.dumps({**head, "time": "2026-11-20T10:00:00Z", "data": {"name": "a", "tags": ["a", "b", "c"]}})
    assert bench([body, body]) == []
    assert bench([body]) == []
    assert bench.letters == []


def test_the_search_for_conflicts_scans_no_ledger(engine: Engine) -> None:
    """However many entries the ledger has, only those of the given ids are read."""
    Bench(engine)
    drain = Drain(engine=engine, queue=MemoryQueue(), dead_letters=MemoryQueue())
    drain.write(ThingMade, Append(things))
    with engine.connect() as connection:
        for generation in ("ledger", "ledger_past"):
            connection.execute(
                text(
                    f"INSERT INTO penstock.{generation} (id, kind, outcome, stated_at)"
                    " SELECT gen_random_uuid(), 'thing.made', 'applied', now() FROM generate_series(1, 20000)"
                )
            )
        connection.execute(text("ANALYZE penstock.ledger, penstock.ledger_past"))
        write = drain.bound()[0].write
        statements: list[str] = []

        def explain(_c: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> tuple[str, Any]:
            statements.append(statement)
            return f"EXPLAIN {statement}", parameters

        event.listen(engine, "before_cursor_execute", explain, retval=True)
        envelope = Contract([ThingMade]).decode(_sealed(new_id(), name="a"))
        plan = "\n".join(map(str, write.id_conflicts(connection, [envelope])))
    assert statements
    assert "Seq Scan" not in plan


@pytest.mark.parametrize("ids", [1, 5, 200])
@pytest.mark.parametrize("duplicates", [0, 1, 7])
def test_many_payloads_of_an_id_take_a_few_statements(bench: Bench, ids: int, duplicates: int) -> None:
    """Of many payloads of known ids each gets its own result, and the number of statements hardly grows."""
    known = [new_id() for _ in range(ids)]
    bench([_sealed(id_, name=f"first {id_}") for id_ in known])
    others = [_sealed(known[n % ids], name=f"other {n}") for n in range(400)]
    middle = [_sealed(id_, name=f"first {id_}") for id_ in known[:duplicates] * (duplicates or 1)]
    statements = recorded(bench.engine)
    assert bench([*others[:200], *middle, *others[200:]]) == []
    assert len(bench.letters) == 400
    assert {letter.reason for letter in bench.letters} == {"id-reused"}
    assert len(statements) < 60
    assert {*_reused(bench)} == {*known}
