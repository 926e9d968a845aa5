"""Functions of the service, and what they must not do to the transaction in which they run."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import pytest
from sqlalchemy import Column, Connection, Engine, MetaData, Table, Text, insert, text
from sqlalchemy.exc import IntegrityError

from penstock import WriteIntent
from penstock.consumer import Append, Custom, Drain
from penstock.testing import LambdaContext, MemoryQueue, sqs_event
from tests.support.drain import Bench, ThingMade, things

names = Table("unique_names", MetaData(), Column("name", Text, primary_key=True))


class Named(WriteIntent, kind="named"):
    name: str


def _swallow(connection: Connection, intents: Sequence[Any]) -> None:
    for intent in intents:
        with suppress(IntegrityError):
            connection.execute(insert(names).values(name=intent.name))


def _bench(engine: Engine, function: Callable[[Connection, Sequence[Any]], None]) -> Bench:
    bench = Bench(engine)
    names.metadata.create_all(engine)
    bench.drain = Drain(engine=engine, queue=bench.queue, dead_letters=bench.dead_letters)
    bench.drain.write(ThingMade, Append(things))
    bench.drain.write(Named, Custom(function))
    return bench


def test_a_swallowed_error_is_found_out(engine: Engine) -> None:
    """A function that swallows an error of Postgres loses neither other kinds' intents nor its own."""
    bench = _bench(engine, _swallow)
    assert bench([ThingMade(name="a"), Named(name="x"), Named(name="x"), Named(name="y")]) == []
    assert bench.names == ["a"]
    with engine.connect() as connection:
        assert sorted(connection.scalars(text("SELECT name FROM unique_names"))) == ["x", "y"]
    assert len(bench.letters) == 1
    assert sorted(bench.outcomes.values()) == ["applied", "applied", "applied", "dead"]


def test_a_function_gets_only_what_is_new(engine: Engine) -> None:
    """Intents that come again are skipped, and the function does not see them."""
    seen: list[list[str]] = []
    bench = _bench(engine, lambda _, intents: seen.append([intent.name for intent in intents]))
    old, new = [Named(name="a"), Named(name="b")], Named(name="c")
    assert bench(old) == []
    assert bench([old[0], new, old[1], ThingMade(name="d")]) == []
    assert seen == [["a", "b"], ["c"]]
    assert bench(old) == []
    assert seen == [["a", "b"], ["c"]], "the function is not called for nothing"
    assert bench.names == ["d"]


@pytest.mark.parametrize(
    "end",
    [
        lambda connection: connection.rollback(),
        lambda connection: connection.close(),
        lambda connection: connection.exec_driver_sql("ROLLBACK"),
        lambda connection: connection.connection.driver_connection.rollback(),
    ],
)
def test_a_function_that_ends_the_transaction_loses_nothing(
    engine: Engine, end: Callable[[Connection], None]
) -> None:
    """A batch whose transaction a function has ended goes back to the queue as a whole."""
    bench = _bench(engine, lambda connection, _intents: end(connection))
    messages = [ThingMade(name="a"), Named(name="x")]
    event = sqs_event(messages)
    answer = bench.drain.handler(event, LambdaContext())
    assert len(answer["batchItemFailures"]) == len(messages)
    assert bench.names == []
    assert bench.dead_letters.messages == []
    later = Drain(engine=engine, queue=MemoryQueue(), dead_letters=bench.dead_letters)
    later.write(ThingMade, Append(things))
    later.write(Named, Custom(_swallow))
    assert later.handler(event, LambdaContext()) == {"batchItemFailures": []}
    assert bench.names == ["a"]
