"""Messages of other senders in the drain: each has its documented outcome, and their neighbours are written."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, select

from penstock.consumer.pipeline.sent_time import SENT_ATTRIBUTE
from penstock.database import ledger
from penstock.intents.ids import event_id
from penstock.queue import Attribute
from penstock.testing import LambdaContext, received, sqs_event
from tests.support.drain import Bench, ThingMade
from tests.support.foreign_events import FOREIGN, Foreign, cloud_event

SENT_AT = datetime(2027, 1, 15, 8, tzinfo=UTC)
PARTS = [FOREIGN[start : start + 12] for start in range(0, len(FOREIGN), 12)]


@pytest.fixture
def bench(engine: Engine) -> Bench:
    return Bench(engine)


def times(bench: Bench) -> list[datetime]:
    with bench.engine.connect() as connection:
        return list(connection.scalars(select(ledger.c.stated_at)))


@pytest.mark.parametrize("part", PARTS, ids=lambda part: f"from {part[0].name}")
def test_foreign_events_land_or_are_dead_lettered(bench: Bench, part: tuple[Foreign, ...]) -> None:
    """Each event of another sender lands under its documented id, or is dead-lettered with its own fault."""
    neighbours = [ThingMade(name=f"neighbour {number}") for number in range(len(part))]
    assert (
        bench([one for pair in zip(neighbours, (case.body for case in part), strict=True) for one in pair]) == []
    )
    landing = [case for case in part if case.fault is None]
    assert bench.names == sorted([*(case.name for case in landing), *(one.name for one in neighbours)])
    assert [letter.detail for letter in bench.letters] == [case.fault for case in part if case.fault]
    ids = {event_id(head["source"], head["id"]) for head in (json.loads(case.body) for case in landing)}
    assert {*bench.outcomes} == ids | {one.intent_id for one in neighbours}


def test_the_same_event_twice_takes_effect_once(bench: Bench) -> None:
    """A repetition of an event under an id that is no UUID is a duplicate; another source is another event."""
    first, other = cloud_event("a", id="7"), cloud_event("b", id="7", source="/other")
    assert bench([first, first, other]) == []
    assert bench([first, other]) == []
    assert bench.names == ["a", "b"]
    assert {*bench.outcomes.values()} == {"applied"}
    assert bench.letters == []


def test_a_dead_letter_names_the_derived_id(bench: Bench) -> None:
    """The dead letter of an event whose data is invalid has the id that its ledger row and its receipt have."""
    assert bench([cloud_event("a", id="7", data={"name": 1}), ThingMade(name="b")]) == []
    (letter,) = bench.letters
    assert letter.id == str(event_id("/elsewhere", "7"))
    assert bench.outcomes[event_id("/elsewhere", "7")] == "dead"


def test_an_event_without_a_time_takes_that_of_the_queue(bench: Bench) -> None:
    """The time of such an event is when SQS got its message."""
    assert bench([cloud_event("a", time=None)]) == []
    assert times(bench) == [SENT_AT]


def test_a_replay_keeps_the_time_of_the_queue(bench: Bench) -> None:
    """An event without a time that is dead-lettered and sent again has its first time, not that of the replay."""
    bench([ThingMade(name="taken")])
    assert bench([cloud_event("taken", time=None), cloud_event("taken", id="dated")]) == []
    undated, dated = bench.dead_letters.messages
    assert SENT_ATTRIBUTE not in dated.attributes
    again = replace(received(undated.body), attributes=undated.attributes, sent_at=1_900_000_000.0)
    with bench.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM things")
    assert bench([again]) == []
    with bench.engine.connect() as connection:
        row = connection.execute(select(ledger).where(ledger.c.id == event_id("/elsewhere", "id of taken"))).one()
    assert (row.outcome, row.stated_at) == ("applied", SENT_AT)


@pytest.mark.parametrize("odd", [None, "", "soon", "-1", "9" * 30, "1.5", 7])
def test_an_odd_time_of_the_queue_is_a_fault_of_its_own(bench: Bench, odd: object) -> None:
    """An event without a time, in a record without a usable one, is dead-lettered; its neighbour is written."""
    event = sqs_event([cloud_event("a", time=None), ThingMade(name="b")])
    event["Records"][0]["attributes"]["SentTimestamp"] = odd
    assert bench.drain.handler(event, LambdaContext()) == {"batchItemFailures": []}
    assert bench.names == ["b"]
    assert [letter.detail for letter in bench.letters] == ["not-an-envelope: time missing"]


def test_an_odd_attribute_does_not_count_as_a_time(bench: Bench) -> None:
    """A message attribute of the name that dead letters use, with any other text, is no time."""
    message = replace(received(cloud_event("a", time=None)), attributes={SENT_ATTRIBUTE: Attribute("yesterday")})
    assert bench([message]) == []
    assert times(bench) == [SENT_AT]
    assert SENT_AT - timedelta(0) == datetime.fromtimestamp(1_800_000_000, UTC)
