"""Outages of up to 30 days on a simulated clock: drain, breaker, probe and sweep are the real ones."""

import random
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine, select

from penstock.consumer import EnvironmentFault, Fault
from penstock.consumer.breaker import probe
from penstock.consumer.breaker.event_source import EventSourceMapping
from penstock.consumer.breaker.manual import close_breaker, open_breaker
from penstock.database.watchdog import Watchdog
from tests.support.breaker import notes
from tests.support.lambdas import ARN, MAPPING, LambdaStub, refusal
from tests.support.outages import DAY, HOUR, MINUTE, Simulation


def mapping_of(aws: LambdaStub) -> EventSourceMapping:
    client: Any = aws
    return EventSourceMapping(client, MAPPING, ARN)


def by_operator(simulation: Simulation, off: bool) -> None:
    if off:
        open_breaker(mapping_of(simulation.aws), "alice", seconds=0)
    else:
        close_breaker(mapping_of(simulation.aws), seconds=0)


def by_somebody(simulation: Simulation, off: bool) -> None:
    mapping_of(simulation.aws).set_enabled(enabled=not off)


def by_breaker(simulation: Simulation, off: bool) -> None:
    """Do nothing: the drain trips it, and the probe closes it."""


SWITCHES = [by_breaker, by_operator, by_somebody]

MAX_RECEIVE_COUNT = 100
"""That of the redrive policy, in infra/penstock.yml. SQS's own dead letters keep the age of their messages."""


@pytest.fixture
def simulation(
    aws: LambdaStub,
    engine: Engine,
    nowhere: Engine,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> Simulation:
    notes.create(engine, checkfirst=True)
    made = Simulation(aws, engine, nowhere, **request.param)

    def check(database: Watchdog, _seconds: float) -> Fault | None:
        is_away = database is made.away.probe._resources.database
        return EnvironmentFault("OperationalError") if is_away else None

    # Thousands of connections that are refused take minutes; the check has its own tests.
    monkeypatch.setattr(probe, "check_health", check)
    return made


def applied(engine: Engine) -> set[str]:
    with engine.connect() as connection:
        return {str(id_) for id_ in connection.scalars(select(notes.c.intent_id))}


def parametrize_queues(days: float) -> pytest.MarkDecorator:
    kinds = [{"fifo": fifo, "days": days} for fifo in (False, True)]
    return pytest.mark.parametrize("simulation", kinds, ids=["standard", "fifo"], indirect=True)


def check_accounted(it: Simulation, engine: Engine) -> None:
    """Hold each intent to be applied or dead-lettered, and none to be both, moved by SQS, or dropped."""
    assert it.queue.messages == []
    written, letters = applied(engine), it.letters
    assert written | letters.keys() == it.sent
    assert not written & letters.keys()
    assert {letter.reason for letter in letters.values()} <= {"undecided"}
    assert max((letter.receive_count for letter in letters.values()), default=0) < MAX_RECEIVE_COUNT


@pytest.mark.parametrize("days", [1, 14.2, 30])
@parametrize_queues(days=14)
@pytest.mark.parametrize("switch", SWITCHES)
def test_the_queue_drops_nothing_while_the_drain_is_off(
    simulation: Simulation, switch: Callable[[Simulation, bool], None], days: float, engine: Engine
) -> None:
    """After an outage of any length each intent is applied, or dead-lettered near the end of the retention."""
    it = simulation
    it.run(10, it.well.drain, it.well.probe, every=1)
    switch(it, True)
    it.run(int(days * DAY / MINUTE), it.away.drain, it.away.probe, every=173)
    assert it.queue.messages
    switch(it, False)
    it.run(DAY // MINUTE, it.well.drain, it.well.probe)
    check_accounted(it, engine)
    assert bool(it.letters) == (days > 14)


@parametrize_queues(days=4)
def test_messages_that_were_retried_for_days_are_swept(simulation: Simulation, engine: Engine) -> None:
    """If the drain is turned off while messages have delays of hours and ages near the margin, none is dropped."""
    it = simulation
    it.aws.refusals["update_event_source_mapping"] = refusal("AccessDeniedException")
    it.run(70 * HOUR // MINUTE, it.away.drain, it.away.probe, every=307)
    it.aws.refusals.clear()
    by_operator(it, True)
    it.run(2 * DAY // MINUTE, it.well.drain, it.well.probe)
    by_operator(it, False)
    it.run(DAY // MINUTE, it.well.drain, it.well.probe)
    check_accounted(it, engine)
    assert it.letters


@parametrize_queues(days=2)
def test_a_drain_that_trips_again_and_again_loses_nothing(simulation: Simulation, engine: Engine) -> None:
    """If the probe finds the database well each time, and the drain never does, the drain dead-letters in time."""
    it = simulation
    it.run(3 * DAY // MINUTE, it.away.drain, it.well.probe, every=173)
    it.run(DAY // MINUTE, it.well.drain, it.well.probe)
    check_accounted(it, engine)
    assert it.letters


@pytest.mark.parametrize("seed", range(3))
@parametrize_queues(days=2)
def test_no_sequence_of_outages_loses_a_message(simulation: Simulation, seed: int, engine: Engine) -> None:
    """Outages and switches of any lengths, one after the other, leave each intent applied or dead-lettered."""
    it, dice = simulation, random.Random(seed)  # noqa: S311 (no secret)
    end = it.clock() + 12 * DAY
    while it.clock() < end:
        switch, consumers = dice.choice(SWITCHES), dice.choice([it.well, it.away])
        minutes = dice.choice([7, 60, 400, 1500, 4000])
        switch(it, True)
        it.run(
            minutes,
            consumers.drain,
            dice.choice([it.well, it.away]).probe if minutes < 100 else consumers.probe,
            97,
        )
        switch(it, False)
    it.run(DAY // MINUTE, it.well.drain, it.well.probe)
    check_accounted(it, engine)
