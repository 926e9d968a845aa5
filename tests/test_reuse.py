"""An id that comes back: with the same payload it is a repetition, with another one a fault of its own."""

from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, select, text

from penstock import WriteIntent
from penstock.consumer import Append, Custom, Drain
from penstock.database import ledger
from penstock.intents import new_id, seal
from penstock.testing import LambdaContext, MemoryQueue, sqs_event
from tests.test_drain import Bench, ThingMade, things


@pytest.fixture
def bench(engine: Engine) -> Bench:
    return Bench(engine)


def _sealed(id_: Any, **fields: Any) -> str:
    return seal(ThingMade(**fields), id=id_, source="/test")


def _reused(bench: Bench) -> list[Any]:
    with bench.engine.connect() as connection:
        return list(connection.scalars(select(ledger.c.id).where(ledger.c.reused_at.is_not(None))))


def test_a_reused_id_is_set_aside(bench: Bench) -> None:
    """What comes under the id of something else that has landed changes nothing, and is said to be so."""
    id_ = new_id()
    assert bench([_sealed(id_, name="first", size=1)]) == []
    assert bench([_sealed(id_, name="first", size=2), ThingMade(name="neighbour")]) == []
    assert bench.names == ["first", "neighbour"]
    assert [(letter.reason, letter.id) for letter in bench.letters] == [("id-reused", str(id_))]
    assert bench.outcomes[id_] == "applied"
    assert _reused(bench) == [id_]


def test_a_reused_id_inside_a_batch_is_set_aside(bench: Bench) -> None:
    """Of two that differ and come together the first lands, and repetitions of it are none of the others."""
    id_ = new_id()
    bodies = [_sealed(id_, name="first"), _sealed(id_, name="other"), _sealed(id_, name="first")]
    assert bench(bodies) == []
    assert bench.names == ["first"]
    assert [letter.reason for letter in bench.letters] == ["id-reused"]
    assert _reused(bench) == [id_]


def test_a_repetition_is_one_however_it_is_written(bench: Bench) -> None:
    """The same payload in other words, at another time and from another source, is the same intent."""
    id_ = new_id()
    assert bench([_sealed(id_, name="ä", size=None)]) == []
    again = seal(ThingMade(name="ä"), id=id_, source="/elsewhere").replace("ä", "\\u00e4").replace(": ", ":\n ")
    assert bench([again]) == []
    assert bench.letters == []
    assert _reused(bench) == []


def test_what_never_landed_may_be_said_otherwise(bench: Bench) -> None:
    """A dead intent has taken no effect: another payload under its id lands, and the first is then the odd one."""
    bench([ThingMade(name="taken")])
    id_ = new_id()
    bench([_sealed(id_, name="taken")])
    assert bench.outcomes[id_] == "dead"
    assert bench([_sealed(id_, name="free")]) == []
    assert bench.outcomes[id_] == "applied"
    bench([_sealed(id_, name="taken")])
    assert [letter.reason for letter in bench.letters] == ["UniqueViolation", "id-reused"]
    assert bench.outcomes[id_] == "applied"


def test_a_new_field_makes_no_repetition_a_fault(bench: Bench) -> None:
    """A redelivery after a deployment that has added a field is a repetition still."""
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
    """A kind whose fields never reach a table is told apart, too."""
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


def test_another_kind_under_the_same_id_is_another_intent(bench: Bench) -> None:
    """The id of an intent of one kind is taken for all kinds."""

    class Else(WriteIntent, kind="else"):
        name: str

    bench.drain = Drain(engine=bench.engine, queue=bench.queue, dead_letters=bench.dead_letters)
    bench.drain.write(ThingMade, Append(things))
    bench.drain.write(Else, Custom(lambda _connection, _intents: None))
    id_ = new_id()
    assert bench([_sealed(id_, name="a")]) == []
    assert bench([seal(Else(name="a"), id=id_, source="/test")]) == []
    assert [letter.reason for letter in bench.letters] == ["id-reused"]
