"""Poison: whatever one message does, its neighbours are written, and the invocation ends in time."""

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from pydantic import field_serializer, field_validator
from sqlalchemy import Engine, text

from penstock import WriteIntent
from penstock.consumer import Append
from penstock.consumer.pipeline.bisect import SYSTEMIC_MIN_ROWS
from penstock.consumer.pipeline.trip import Trip
from penstock.database import make_engine
from penstock.database.migrate import upgrade
from penstock.intents import encode_envelope, new_id
from penstock.local.postgres import Postgres
from penstock.queue import MESSAGE_LIMIT_BYTES, Attribute
from penstock.testing import LambdaContext, received, sqs_event
from penstock.testing.database import FAST
from tests.support.drain import Bench, ThingMade, things
from tests.support.statements import watch_trips
from tests.support.triggers import add_trigger


class Fragile(WriteIntent, kind="fragile"):
    """An intent whose own code fails for some values."""

    name: str

    @field_validator("name")
    @classmethod
    def _check(cls, name: str) -> str:
        if name == "validator":
            raise KeyError("hunter2")
        return name

    @field_serializer("name")
    def _write(self, name: str) -> str:
        if name == "serializer":
            raise KeyError("hunter2")
        return name


@pytest.fixture
def bench(engine: Engine) -> Bench:
    return Bench(engine)


def envelope(**head: Any) -> str:
    whole = json.loads(encode_envelope(ThingMade(name="odd"), id=new_id(), source="/test"))
    return json.dumps(whole | head)


@pytest.mark.parametrize(
    "head",
    [
        {"time": "0001-01-01T00:00:00+14:00"},
        {"time": "9999-12-31T23:59:59-14:00"},
        {"type": "a\x00b"},
        {"type": "a" * 101},
        {"source": ""},
        {"dataversion": 2.5},
    ],
)
def test_an_odd_head_is_a_fault_of_its_own(bench: Bench, head: dict[str, Any]) -> None:
    """A head that the ledger could not store is no envelope, and its neighbours are written."""
    assert bench([ThingMade(name="a"), envelope(**head), ThingMade(name="b")]) == []
    assert bench.names == ["a", "b"]
    assert [letter.reason for letter in bench.letters] == ["not-an-envelope"]


def test_any_offset_that_python_knows_is_a_time(bench: Bench) -> None:
    """A time with an offset that Postgres does not know is written too."""
    assert bench([envelope(time="2026-01-01T00:00:00+23:00")]) == []
    assert bench.names == ["odd"]


def test_another_version_waits_for_its_deployment(bench: Bench) -> None:
    """An unknown version of a kind is handed back, and its data is not decoded."""
    assert len(bench([envelope(dataversion=2, data={"name": "odd", "new": 1})])) == 1
    assert set(bench.outcomes.values()) == {"pending"}


def test_code_that_fails_for_one_intent_fails_it_alone(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """A validator or a serializer of the service that raises harms no other intent, and its text is not logged."""
    bench.drain.write(Fragile, Append(things))
    bad = [
        encode_envelope(Fragile(name="x"), id=new_id(), source="/t").replace('"x"', f'"{what}"')
        for what in ("validator", "serializer")
    ]
    assert bench([Fragile(name="a"), *bad, ThingMade(name="b")]) == []
    assert bench.names == ["a", "b"]
    assert sorted(letter.reason for letter in bench.letters) == ["PydanticSerializationError", "validator-failed"]
    assert "hunter2" not in caplog.text + str(bench.letters)


RAISES = {
    "assert": "ASSERT false",
    "no row": "PERFORM 1; RAISE no_data_found",
    "own code": "RAISE 'no' USING ERRCODE = 'UE001'",
    "permission": "RAISE 'no' USING ERRCODE = '42501'",
    "state": "RAISE 'no' USING ERRCODE = '55000'",
}


@pytest.mark.parametrize("statement", RAISES.values(), ids=RAISES)
def test_a_row_that_a_trigger_refuses_is_at_fault(bench: Bench, statement: str) -> None:
    """Whatever a trigger raises for one row, that row is dead-lettered and its neighbours are written."""
    add_trigger(bench.engine, f"IF NEW.name = 'bad' THEN {statement}; END IF")
    assert bench([ThingMade(name="a"), ThingMade(name="bad"), ThingMade(name="b")]) == []
    assert bench.names == ["a", "b"]
    assert len(bench.letters) == 1


def test_a_text_too_long_for_its_index_is_dead_lettered(bench: Bench) -> None:
    """A value beyond a limit of Postgres is a data fault."""
    incompressible = "".join(str(new_id()) for _ in range(500))
    assert bench([ThingMade(name=incompressible), ThingMade(name="a")]) == []
    assert bench.names == ["a"]
    assert [letter.sqlstate for letter in bench.letters] == ["54000"]


def test_a_schema_that_refuses_everything_is_no_fault_of_the_data(bench: Bench) -> None:
    """If none of many is written, for one cause, they go back; if any is written, the others are at fault."""
    with bench.engine.begin() as connection:
        connection.execute(text("ALTER TABLE things ADD CHECK (name = 'the one')"))
    many = [ThingMade(name=str(n)) for n in range(SYSTEMIC_MIN_ROWS)]
    assert len(bench(many)) == SYSTEMIC_MIN_ROWS
    assert bench.dead_letters.messages == []
    assert {*bench.outcomes.values()} == {"pending"}
    assert bench([*many, ThingMade(name="the one")]) == []
    assert bench.names == ["the one"]
    assert len(bench.letters) == SYSTEMIC_MIN_ROWS


def test_an_outage_uses_up_no_attempts(bench: Bench, postgres: Postgres) -> None:
    """However often its message has been received, an intent that waits for its parent has all its attempts."""
    child = ThingMade(name="child", parent="nobody")
    assert len(bench([child], receive_count=99)) == 1
    assert bench.dead_letters.messages == []


def test_different_intents_of_one_id_are_distinguished(bench: Bench) -> None:
    """Of two intents with one id, the one that can be written is written, whichever comes first."""
    bench([ThingMade(name="taken")])
    for order in (1, -1):
        id_ = new_id()
        name = f"free {order}"
        both = [encode_envelope(ThingMade(name=n), id=id_, source="/test") for n in ("taken", name)][::order]
        records = sqs_event(both)["Records"]
        failed = bench.failed({"Records": records})
        assert bench.failed({"Records": [r for r in records if r["messageId"] in failed]}) == []
        assert name in bench.names
        assert bench.outcomes[id_] == "applied"


def test_repeats_of_a_bad_intent_make_one_dead_letter(bench: Bench) -> None:
    """An intent that is in the batch several times and cannot be written is dead-lettered once."""
    bench([ThingMade(name="taken")])
    bad = ThingMade(name="taken")
    assert bench([bad, bad, bad]) == []
    assert len(bench.letters) == 1


def test_a_poisoned_message_of_full_size_is_dead_lettered(bench: Bench) -> None:
    """A message of the largest size that SQS accepts is dead-lettered, although its fault does not fit."""
    message = replace(received("x" * (MESSAGE_LIMIT_BYTES - 9)), attributes={"a": Attribute("b")})
    assert bench([message, ThingMade(name="a")]) == []
    (kept,) = bench.dead_letters.messages
    assert (kept.body, dict(kept.attributes)) == (message.body, message.attributes)


ODD_RECORDS: list[dict[str, Any]] = [
    {"attributes": None},
    {"attributes": {"ApproximateReceiveCount": "many", "ApproximateFirstReceiveTimestamp": "yesterday"}},
    {"messageAttributes": None},
    {"messageAttributes": {"a": {"stringValue": "b"}, "c": {"dataType": "String.x", "stringListValues": []}}},
    {"messageAttributes": {"a": 7}},
]


@pytest.mark.parametrize("odd", ODD_RECORDS)
def test_an_odd_record_is_dead_lettered_or_handed_back(bench: Bench, odd: dict[str, Any]) -> None:
    """A record that Lambda would not send is dead-lettered or handed back, and its neighbours are written."""
    event_ = sqs_event([ThingMade(name="a"), "nonsense"])
    event_["Records"][1] |= odd
    failed = bench.failed(event_)
    assert bench.names == ["a"]
    assert len(failed) + len(bench.dead_letters.messages) == 1


@pytest.mark.parametrize("method", ["send", "change_visibility"])
def test_nothing_raises_after_the_commit(bench: Bench, monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    """If a queue raises, which it should not, the drain still answers, and the message goes back."""

    def broken(*_args: Any, **_options: Any) -> Any:
        raise RuntimeError("hunter2")

    monkeypatch.setattr(bench.dead_letters, "send", broken)
    if method == "change_visibility":
        monkeypatch.setattr(bench.queue, method, broken)
    event_ = sqs_event([ThingMade(name="a"), "nonsense"])
    assert bench.failed(event_) == [event_["Records"][1]["messageId"]]
    assert bench.names == ["a"]


@pytest.fixture
def small_server(tmp_path: Any) -> Iterator[Postgres]:
    """A server with little memory for locks."""
    server = Postgres(tmp_path, settings={**FAST, "max_locks_per_transaction": "10", "max_connections": "10"})
    server.start()
    upgrade(server.url())
    yield server
    server.stop()


def test_a_batch_full_of_poison_is_dead_lettered_in_one_invocation(small_server: Postgres) -> None:
    """Thousands of bad rows exhaust no memory: each is dead-lettered, and the good one is written."""
    bench = Bench(make_engine(small_server.url()))
    bench([ThingMade(name="taken")])
    event = sqs_event([*(ThingMade(name="taken") for _ in range(3000)), ThingMade(name="good")])
    assert bench.drain.handler(event, LambdaContext(seconds=150)) == {"batchItemFailures": []}
    assert bench.names == ["good", "taken"]
    assert len(bench.letters) == 3000
    bench.engine.dispose()


def test_items_without_time_go_back(bench: Bench) -> None:
    """A batch too slow for the time left commits what it has written, and hands back the rest in time."""
    add_trigger(bench.engine, "PERFORM pg_sleep(0.1)")
    bad = [ThingMade(name="taken") for _ in range(40)]
    event_ = sqs_event([ThingMade(name="taken"), *bad])
    started = time.monotonic()
    answer = bench.drain.handler(event_, LambdaContext(seconds=8))
    assert time.monotonic() - started < 8
    assert bench.names == ["taken"]
    assert 0 < len(answer["batchItemFailures"]) < 41
    assert len(answer["batchItemFailures"]) + len(bench.letters) == 40


def test_little_time_is_enough_for_a_small_batch(bench: Bench) -> None:
    """An invocation with two seconds left writes a small batch; one without time hands it back."""
    assert bench.drain.handler(sqs_event([ThingMade(name="a")]), LambdaContext(seconds=2)) == {
        "batchItemFailures": []
    }
    late = bench.drain.handler(sqs_event([ThingMade(name="b")]), LambdaContext(seconds=0.1))
    assert len(late["batchItemFailures"]) == 1
    assert bench.names == ["a"]


def test_a_server_that_freezes_in_the_middle_is_cut_off_in_time(tmp_path: Any) -> None:
    """A server that falls silent in a transaction does not hold the invocation beyond its limit."""
    server = Postgres(tmp_path)
    server.start()
    upgrade(server.url())
    bench = Bench(make_engine(server.url()))
    bench([ThingMade(name="before")])

    def freeze(trip: Trip, _: str) -> None:
        trip.wait()
        server.freeze()

    watch_trips(bench.engine, freeze)
    try:
        started = time.monotonic()
        answer = bench.drain.handler(sqs_event([ThingMade(name="a")]), LambdaContext(seconds=4))
        assert time.monotonic() - started < 4
    finally:
        server.thaw()
    assert len(answer["batchItemFailures"]) == 1
    later = Bench(make_engine(server.url()))
    assert later([ThingMade(name="after")]) == []
    assert later.names == ["after", "before"]
    later.engine.dispose()
    bench.engine.dispose()
    server.stop()
