"""Kinds that are held: parked by the drain, and sent back by a release."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, text

from penstock import WriteIntent
from penstock.cli.hold.store import HoldStore
from penstock.cli.support.errors import Failure
from penstock.consumer import Append
from penstock.consumer.pipeline import holding
from penstock.database.ledger_entries import find_entry
from penstock.intents import encode_envelope
from penstock.queue import Attribute, Outgoing
from penstock.testing import MemoryQueue, sqs_event
from tests.support.drain import Bench, ThingMade, parents
from tests.support.holds import parked, release, send_parked, store_of

KIND = "thing.made"


class ParentMade(WriteIntent, kind="parent.made"):
    name: str


@pytest.fixture
def bench(engine: Engine) -> Bench:
    made = Bench(engine)
    made.drain.write(ParentMade, Append(parents))
    return made


@pytest.fixture
def store(engine: Engine) -> HoldStore:
    return store_of(engine)


def received(queue: MemoryQueue) -> list[Any]:
    """Take all messages off a queue."""
    found = []
    while page := queue.receive(10):
        found += page
    queue.delete([one.receipt_handle for one in found])
    return found


def test_a_held_kind_is_parked_until_its_release(bench: Bench, store: HoldStore) -> None:
    """Its intents are acknowledged and pending, other kinds are written; the release writes them."""
    store.hold(KIND, "because", "me")
    things = [ThingMade(name=f"t{n}") for n in range(3)]
    parent = ParentMade(name="p")
    assert bench([things[0], parent, *things[1:]]) == []
    assert bench.names == []
    assert bench.outcomes == {parent.intent_id: "applied"} | {one.intent_id: "pending" for one in things}
    with bench.engine.connect() as connection:
        entry = find_entry(connection, things[0].intent_id)
    assert entry is not None
    assert entry.fault is not None
    assert entry.fault["reason"] == "held"
    (listed,) = store.list()
    assert (listed.kind, listed.count, listed.reason, listed.held_by) == (KIND, 3, "because", "me")
    assert release(store, bench.queue, KIND) == 3
    assert [body["data"]["name"] for body in bench.queue.bodies] == ["t0", "t1", "t2"]
    assert (store.list(), parked(bench.engine)) == ([], 0)
    assert bench.failed(sqs_event(received(bench.queue))) == []
    assert bench.names == ["t0", "t1", "t2"]
    assert set(bench.outcomes.values()) == {"applied"}


def test_a_message_is_sent_back_as_it_came(bench: Bench, store: HoldStore) -> None:
    """Body, attributes and message group are those of the sender."""
    thing = ThingMade(name="a")
    body = encode_envelope(thing, id=thing.intent_id, source="/test")
    came = Outgoing(body, {"type": Attribute("é"), "raw": Attribute(b"\x00\xff", "Binary")}, "tenant")
    bench.queue.send([came])
    store.hold(KIND, None, "me")
    assert bench.failed(sqs_event(received(bench.queue))) == []
    release(store, bench.queue, KIND)
    assert bench.queue.messages == [came]


def test_an_event_without_a_time_keeps_that_of_the_queue(bench: Bench, store: HoldStore) -> None:
    """A foreign event that waited does not seem new."""
    event = {"specversion": "1.0", "id": "x", "source": "/s", "type": KIND, "data": {"name": "a"}}
    bench.queue.send([Outgoing(json.dumps(event))])
    sent = bench.queue.clock()
    store.hold(KIND, None, "me")
    assert bench.failed(sqs_event(received(bench.queue))) == []
    bench.queue.clock.advance(3600)
    release(store, bench.queue, KIND)
    assert bench.failed(sqs_event(received(bench.queue))) == []
    with bench.engine.connect() as connection:
        stated = connection.execute(text("SELECT stated_at FROM penstock.ledger")).scalar_one()
    assert stated.timestamp() == sent


def test_twins_are_harmless(bench: Bench, store: HoldStore) -> None:
    """An intent that was applied is not parked; one that is parked twice takes effect once."""
    applied, twice = ThingMade(name="applied"), ThingMade(name="twice")
    assert bench([applied]) == []
    store.hold(KIND, None, "me")
    bench.drain._holds.forget()
    event = sqs_event([applied, twice])
    for _ in range(2):  # The second time is a redelivery: the drain was cut off after the commit.
        assert bench.failed(event) == []
    assert parked(bench.engine) == 1
    assert bench([twice]) == []
    assert parked(bench.engine) == 2
    assert release(store, bench.queue, KIND) == 2
    assert bench.failed(sqs_event(received(bench.queue))) == []
    assert bench.names == ["applied", "twice"]
    assert set(bench.outcomes.values()) == {"applied"}


def test_a_payload_under_an_id_that_took_effect_is_not_parked(bench: Bench, store: HoldStore) -> None:
    """It is dead-lettered as a reused id, as without the hold."""
    first = ThingMade(name="first")
    assert bench([first]) == []
    store.hold(KIND, None, "me")
    bench.drain._holds.forget()
    assert bench([encode_envelope(ThingMade(name="other"), id=first.intent_id, source="/test")]) == []
    assert [letter.reason for letter in bench.letters] == ["id-reused"]
    assert parked(bench.engine) == 0


def test_a_drain_that_takes_a_released_kind_for_held_writes_it(bench: Bench, store: HoldStore) -> None:
    """Nothing is parked after a release has begun, whatever a drain has read before."""
    store.hold(KIND, None, "me")
    assert bench([ThingMade(name="a")]) == []
    release(store, bench.queue, KIND)
    assert bench([ThingMade(name="b")]) == []
    assert (bench.names, parked(bench.engine)) == (["b"], 0)


def test_a_hold_takes_effect_after_some_seconds(
    bench: Bench, store: HoldStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A drain relies on what it has read for `KNOWN_SECONDS`, also if its clock was set back."""
    now = [1000.0]
    monkeypatch.setattr("penstock.consumer.pipeline.holding.time.time", lambda: now[0])
    assert bench([ThingMade(name="a")]) == []
    store.hold(KIND, None, "me")
    now[0] += holding.KNOWN_SECONDS - 0.1
    assert bench([ThingMade(name="b")]) == []
    assert bench.names == ["a", "b"]
    now[0] -= 100
    assert bench([ThingMade(name="c")]) == []
    assert (bench.names, parked(bench.engine)) == (["a", "b"], 1)


@pytest.mark.parametrize("change", ["DROP TABLE penstock.hold", "ALTER TABLE penstock.hold DROP COLUMN kind"])
def test_a_database_without_the_migration_is_written_to(
    bench: Bench, change: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The new drain writes to tables of the previous version, and says that it cannot read the holds."""
    with bench.engine.begin() as connection:
        connection.execute(text(change))
    assert bench([ThingMade(name="a")]) == []
    assert bench([ThingMade(name="b")]) == []
    assert bench.names == ["a", "b"]
    assert [r.action for r in caplog.records if r.name == holding.__name__] == ["holds_unknown"]  # type: ignore[attr-defined]


def test_a_release_that_is_killed_is_repeated(bench: Bench, store: HoldStore) -> None:
    """Between the acknowledgement and the deletion nothing is lost, and what is sent twice takes effect once."""
    store.hold(KIND, None, "me")
    assert bench([ThingMade(name=f"t{n}") for n in range(3)]) == []
    killed = store_of(bench.engine)
    killed.forget = lambda _: 1 / 0  # type: ignore[method-assign, assignment]
    with pytest.raises(ZeroDivisionError):
        release(killed, bench.queue, KIND)
    assert (len(bench.queue.messages), parked(bench.engine)) == (3, 3)
    assert store.list()[0].releasing_at
    assert release(store, bench.queue, KIND) == 3
    assert bench.failed(sqs_event(received(bench.queue))) == []
    assert (bench.names, set(bench.outcomes.values())) == (["t0", "t1", "t2"], {"applied"})


def test_a_refused_message_stays_parked(bench: Bench, store: HoldStore) -> None:
    """What SQS does not acknowledge is sent by the next run; the run ends if nothing is acknowledged."""
    store.hold(KIND, None, "me")
    assert bench([ThingMade(name=f"t{n}") for n in range(3)]) == []
    bench.queue.refuse(calls=2, positions=[0])
    with pytest.raises(Failure, match="ThrottlingException"):
        release(store, bench.queue, KIND)
    assert (len(bench.queue.messages), parked(bench.engine)) == (2, 1)
    assert release(store, bench.queue, KIND) == 1


def test_a_kind_that_is_held_again_is_released_no_further(bench: Bench, store: HoldStore) -> None:
    """The messages that are not sent yet stay parked under the new hold."""
    store.hold(KIND, None, "me")
    assert bench([ThingMade(name="a")]) == []
    assert store.begin_release(KIND)
    store.hold(KIND, "again", "you")
    with pytest.raises(Failure, match="held again"):
        send_parked(store, bench.queue, KIND)
    (listed,) = store.list()
    assert (listed.releasing_at, listed.held_by, listed.count, bench.queue.messages) == (None, "you", 1, [])


def test_a_held_intent_may_expire(bench: Bench, store: HoldStore) -> None:
    """An intent whose time has passed at its release is `expired`; one that comes too late is not even parked."""
    soon = ThingMade(name="soon")
    expiry = datetime.now(UTC) + timedelta(days=1)
    body = encode_envelope(soon, id=soon.intent_id, source="/test", expires_at=expiry)
    store.hold(KIND, None, "me")
    assert bench([body]) == []
    with bench.engine.begin() as connection:
        past = expiry - timedelta(days=2)
        connection.execute(
            text("UPDATE penstock.held SET body = replace(body, :later, :earlier)"),
            {"later": expiry.isoformat(), "earlier": past.isoformat()},
        )
    release(store, bench.queue, KIND)
    assert bench.failed(sqs_event(received(bench.queue))) == []
    assert (bench.names, bench.outcomes) == ([], {soon.intent_id: "expired"})


def test_nothing_of_a_fifo_queue_is_parked(bench: Bench, store: HoldStore) -> None:
    """Its order would suffer: a hold that was set by other means has no effect there."""
    store.hold(KIND, None, "me")
    event = sqs_event([ThingMade(name="a")])
    event["Records"][0]["attributes"] |= {"MessageGroupId": "g", "SequenceNumber": "1"}
    assert bench.failed(event) == []
    assert (bench.names, parked(bench.engine)) == (["a"], 0)


def test_a_bad_intent_of_a_held_kind(bench: Bench, store: HoldStore) -> None:
    """What Postgres cannot read is dead-lettered at once, and its neighbours are parked."""
    store.hold(KIND, None, "me")
    assert bench([ThingMade(name="bad", size=2**40), ThingMade(name="good")]) == []
    assert [letter.reason for letter in bench.letters] == ["NumericValueOutOfRange"]
    assert parked(bench.engine) == 1
