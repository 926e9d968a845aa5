"""Intents that are taken up after their time."""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, select, text

from penstock import WriteIntent
from penstock.consumer.dry_run import dry_run
from penstock.database import ledger
from penstock.intents import encode_envelope
from penstock.testing import sqs_event
from tests.support.drain import Bench, ThingMade

PAST = datetime.now(UTC) - timedelta(seconds=1)
FUTURE = PAST + timedelta(days=1)


@pytest.fixture
def bench(engine: Engine) -> Bench:
    return Bench(engine)


def body(intent: WriteIntent, expires_at: datetime | None, id_: UUID | None = None) -> str:
    return encode_envelope(intent, id=id_ or intent.intent_id, source="/test", expires_at=expires_at)


def test_an_expired_intent_is_acknowledged_and_not_written(bench: Bench) -> None:
    """Its outcome is `expired`, without a fault and without a dead letter; its neighbours are written."""
    late, early, plain = ThingMade(name="late"), ThingMade(name="early"), ThingMade(name="plain")
    assert bench([body(late, PAST), body(early, FUTURE), plain]) == []
    assert bench.names == ["early", "plain"]
    assert bench.outcomes == {
        late.intent_id: "expired",
        early.intent_id: "applied",
        plain.intent_id: "applied",
    }
    assert bench.letters == []


def test_the_ledger_decides_between_an_expired_intent_and_its_duplicate(bench: Bench) -> None:
    """What was applied never expires, and what has expired is never applied, whichever comes first."""
    first, second = ThingMade(name="first"), ThingMade(name="second")
    assert bench([body(first, FUTURE), body(second, PAST)]) == []
    assert bench([body(first, PAST), body(second, FUTURE)]) == []
    assert bench.names == ["first"]
    assert bench.outcomes == {first.intent_id: "applied", second.intent_id: "expired"}
    # The same in the past generation of the ledger.
    with bench.engine.begin() as connection:
        connection.execute(text("INSERT INTO penstock.ledger_past SELECT * FROM penstock.ledger"))
        connection.execute(text("DELETE FROM penstock.ledger"))
    assert bench([body(first, PAST), body(second, FUTURE)]) == []
    assert (bench.names, bench.outcomes) == (["first"], {})


def test_two_of_one_batch_with_one_id(bench: Bench) -> None:
    """The first of them decides, and another payload under the id of an expired intent is a reused id."""
    once = ThingMade(name="once")
    assert bench([body(once, PAST), body(once, FUTURE)]) == []
    assert bench([body(ThingMade(name="other"), FUTURE, once.intent_id)]) == []
    assert (bench.names, bench.outcomes) == ([], {once.intent_id: "expired"})
    assert [letter.reason for letter in bench.letters] == ["id-reused"]


def test_an_expired_intent_beside_a_bad_one(bench: Bench) -> None:
    """On the isolating path it expires, too."""
    late, bad, good = ThingMade(name="late"), ThingMade(name="x", parent="none"), ThingMade(name="good")
    assert len(bench([body(late, PAST), bad, good])) == 1
    assert bench.names == ["good"]
    assert bench.outcomes[late.intent_id] == "expired"


def test_a_dead_intent_that_is_replayed_too_late(bench: Bench) -> None:
    """Its outcome changes from `dead` to `expired`; a trial says so before."""
    intent = ThingMade(name="twice", size=2**40)
    assert bench([body(intent, FUTURE)]) == []
    assert bench.outcomes == {intent.intent_id: "dead"}
    (letter,) = bench.dead_letters.messages
    late = letter.body.replace(FUTURE.isoformat(), PAST.isoformat())
    (trial,) = dry_run(bench.drain, bench.engine, [late], seconds=10)
    assert (trial.outcome, bench.outcomes) == ("expired", {intent.intent_id: "dead"})
    assert bench([late]) == []
    with bench.engine.connect() as connection:
        entry = connection.execute(select(ledger.c.outcome, ledger.c.fault)).one()
    assert entry == ("expired", None)


@pytest.mark.parametrize("expiry", ["soon", 1_800_000_000, "2026-11-20T10:00:00"])
def test_a_malformed_expiry_is_a_fault_of_its_message_alone(bench: Bench, expiry: Any) -> None:
    """It is dead-lettered with the name of the attribute, and its neighbour is written."""
    event = json.loads(body(ThingMade(name="bad"), None)) | {"expirytime": expiry}
    assert bench([json.dumps(event), ThingMade(name="good")]) == []
    (letter,) = bench.letters
    assert (letter.reason, letter.detail) == ("not-an-envelope", "not-an-envelope: expirytime instant")
    assert bench.names == ["good"]


def test_another_senders_event_may_expire(bench: Bench) -> None:
    """The attribute counts in an event that is written otherwise, and null is no expiry."""
    late = json.loads(body(ThingMade(name="late"), None)) | {"expirytime": PAST.isoformat(), "extra": "1"}
    never = json.loads(body(ThingMade(name="never"), None)) | {"expirytime": None, "extra": "1"}
    assert bench([json.dumps(late), json.dumps(never)]) == []
    assert bench.names == ["never"]
    assert sorted(bench.outcomes.values()) == ["applied", "expired"]


def test_without_the_migration_only_expired_intents_wait(bench: Bench) -> None:
    """If the ledger does not have the outcome yet, an expired intent goes back; nothing is dead-lettered."""
    with bench.engine.begin() as connection:
        connection.execute(
            text(
                "ALTER TABLE penstock.ledger DROP CONSTRAINT outcome,"
                " ADD CONSTRAINT outcome CHECK (outcome IN ('applied', 'stale', 'dead', 'pending'))"
            )
        )
    late = [body(ThingMade(name=f"late{n}"), PAST) for n in range(12)]
    assert len(bench.failed(sqs_event([*late, ThingMade(name="good")]))) == len(late)
    assert (bench.names, bench.letters) == (["good"], [])
    assert Counter(bench.outcomes.values()) == {"applied": 1, "pending": len(late)}
