"""A row that ends the session."""

from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection, Engine, event

from penstock.testing import sqs_event
from tests.support.drain import Bench, ThingMade
from tests.support.triggers import add_trigger

ENDS = "PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(1)"


@pytest.fixture
def bench(engine: Engine) -> Bench:
    return Bench(engine)


@pytest.mark.parametrize("bad", [[3], [0, 19]])
def test_a_row_that_ends_the_session_is_set_aside(bench: Bench, bad: list[int]) -> None:
    """Its neighbours land in the same invocation, a bad message and a duplicate are settled, and it is dead."""
    add_trigger(bench.engine, f"IF NEW.name LIKE 'bad%' THEN {ENDS}; END IF")
    intents = [ThingMade(name=f"bad {n}" if n in bad else f"good {n:02}") for n in range(20)]
    assert bench([*intents, intents[5], "nonsense"]) == []
    assert bench.names == [f"good {n:02}" for n in range(20) if n not in bad]
    assert [letter.reason for letter in bench.letters if letter.kind] == ["session-ended"] * len(bad)
    assert len(bench.letters) == len(bad) + 1
    assert [bench.outcomes[intents[n].intent_id] for n in bad] == ["dead"] * len(bad)


def test_a_server_that_ends_every_session_dead_letters_nothing(bench: Bench) -> None:
    """If no part of the batch is committed, everything goes back."""
    add_trigger(bench.engine, ENDS)
    assert len(bench([ThingMade(name=str(n)) for n in range(4)])) == 4
    assert bench.letters == []


def test_a_pooler_that_ends_every_session_is_asked_once_more(bench: Bench, engine: Engine) -> None:
    """If even a transaction without rows loses its session, the batch goes back at once, not part by part."""
    begun: list[str] = []

    def end_session(connection: Connection) -> None:
        begun.append("begin")
        driver: Any = connection.connection.driver_connection
        with psycopg.connect(
            engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
        ) as other:
            other.execute("SELECT pg_terminate_backend(%s, 5000)", [driver.info.backend_pid])

    event.listen(engine, "begin", end_session)
    assert len(bench([ThingMade(name=str(n)) for n in range(20)])) == 20
    assert len(begun) <= 4, "twice for the batch, once without rows, and once for the breaker"
    assert bench.letters == []


def test_many_rows_that_end_the_session_are_not_decided(bench: Bench) -> None:
    """If more than a few rows end their session, they go back, and their neighbours land."""
    add_trigger(bench.engine, f"IF NEW.name LIKE 'bad%' THEN {ENDS}; END IF")
    intents = [ThingMade(name="bad " + str(n) if n < 15 else f"good {n}") for n in range(30)]
    assert len(bench(intents)) >= 15
    assert bench.names
    assert bench.letters == []


def test_a_fifo_batch_is_not_cut_up(bench: Bench) -> None:
    """On a FIFO queue the whole batch goes back, because a later message must not overtake."""
    add_trigger(bench.engine, f"IF NEW.name LIKE 'bad%' THEN {ENDS}; END IF")
    event = sqs_event([ThingMade(name="a"), ThingMade(name="bad")])
    for number, record in enumerate(event["Records"]):
        record["attributes"] |= {"MessageGroupId": "g", "SequenceNumber": str(number)}
    assert len(bench.failed(event)) == 2
    assert bench.letters == []
