"""The function `dead-letters`: what it does for callers without permissions on the queues, and what it refuses."""

import json
import logging
import sys
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import OperationalError

from penstock.deadletters.function.handler import DeadLetters
from penstock.queue.rate_limiter import RateLimiter
from penstock.settings import Settings
from penstock.testing import MemoryQueue
from penstock.testing.clock import ManualClock
from penstock.testing.context import LambdaContext
from tests.support.dead_letters import id_of, ids_on, letter


class Service:
    """A service with dead letters, and its function."""

    def __init__(self, engine: Engine, letters: int = 3, settings: Settings | None = None) -> None:
        self.queue, self.dead = MemoryQueue(), MemoryQueue()
        self.engine = engine
        assert self.dead.send([letter(number) for number in range(letters)]) == {}
        self.function = DeadLetters(settings, engine=engine, queue=self.queue, dead_letters=self.dead)

    def ask(self, seconds: float = 300, **event: Any) -> dict[str, Any]:
        """Invoke the function; its answer goes through JSON, as on Lambda."""
        context = LambdaContext(seconds=seconds)
        answer: dict[str, Any] = json.loads(json.dumps(self.function.handler(event, context)))
        return answer

    def operations(self) -> list[Any]:
        """Read the records of operations."""
        with self.engine.connect() as connection:
            return list(connection.execute(text("SELECT action, actor, outcome, counts FROM penstock.operation")))


@pytest.fixture
def service(engine: Engine) -> Service:
    """A service with three dead letters."""
    return Service(engine)


def test_stats_count_causes(service: Service) -> None:
    """Dead letters are counted by the given properties, and given back."""
    answer = service.ask(action="stats", all=True, by=["kind", "fault"])
    (group,) = answer["groups"]
    assert group["values"] == {"kind": "stock.adjusted", "fault": "CheckViolation"}
    assert (group["count"], answer["looked_at"]) == (3, 3)
    assert service.dead.depth().visible == 3


def test_a_list_shows_no_payload(service: Service) -> None:
    """The selected are listed with their cause, and nothing of their data."""
    answer = service.ask(action="list", selector={"ids": [id_of(1)]})
    (row,) = answer["dead_letters"]
    assert (row["id"], row["reason"], row["origin"]) == (id_of(1), "CheckViolation", "drain")
    assert "delta" not in json.dumps(answer)


def test_a_replay_is_done_and_recorded(service: Service) -> None:
    """The selected go back to the queue; the actor and the counts are in the database."""
    answer = service.ask(action="replay", selector={"ids": [id_of(1), id_of(9)]}, actor="alice")
    assert answer["counts"] == {"replayed": 1}
    assert (answer["missing"], answer["stopped"], answer["failures"]) == ([id_of(9)], None, [])
    assert ids_on(service.queue) == {id_of(1)}
    assert service.operations() == [("replay", "alice, through test", "done", {"replayed": 1})]


def test_a_replay_reports_what_failed(service: Service) -> None:
    """A message that could not be sent is listed with SQS's code, and the record says that the replay failed."""
    service.queue.refuse("InternalError", positions={1}, calls=None)
    answer = service.ask(action="replay", all=True, actor="alice")
    assert answer["counts"] == {"replayed": 2, "not-sent": 1}
    assert [failure["code"] for failure in answer["failures"]] == ["InternalError"]
    assert service.operations()[0][2] == "failed"


def test_a_replay_ends_before_its_time_does(engine: Engine) -> None:
    """With no time left the function returns its counts, and that messages are left; no message stays hidden."""
    service = Service(engine, letters=300)
    answer = service.ask(seconds=10, action="replay", all=True, actor="alice")
    assert answer["stopped"] == "OutOfTime"
    assert 0 < answer["counts"]["replayed"] < 300
    assert service.dead.depth().visible == 300 - answer["counts"]["replayed"]


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"action": "purge", "all": True},
        {"action": "replay", "all": True},
        {"action": "replay", "actor": "alice"},
        {"action": "replay", "actor": "alice", "all": True, "selector": {"kinds": ["x"]}},
        {"action": "replay", "actor": "alice", "selector": {}},
        {"action": "replay", "actor": "alice", "selector": {"kinds": [""]}},
        {"action": "replay", "actor": "alice", "selector": {"where": "data.["}},
        {"action": "replay", "actor": "alice", "selector": {"kind": ["x"]}},
        {"action": "replay", "actor": "alice", "selector": {"since": "2026-11-20T10:00:00"}},
        {"action": "replay", "actor": "alice", "all": True, "rate": 0},
        {"action": "replay", "actor": "alice", "all": True, "limit": 0},
        {"action": "replay", "actor": "", "all": True},
        {"action": "list", "all": True, "limit": 5000},
        {"action": "stats", "all": True, "by": []},
        {"action": "stats", "all": True, "by": ["payload"]},
    ],
)
def test_a_request_that_cannot_be_read_does_nothing(service: Service, event: dict[str, Any]) -> None:
    """A missing, unknown, contradictory or invalid field is an error, and no message is touched."""
    assert service.ask(**event)["error"]
    assert service.queue.messages == []
    assert {message.receive_count for message in service.dead.receive(10)} == {1}
    assert service.operations() == []


def test_a_replay_that_cannot_be_recorded_is_not_done() -> None:
    """Where the database is away nothing is sent."""
    service = Service(create_engine("postgresql+psycopg://nobody@127.0.0.1:1/none"))
    with pytest.raises(OperationalError):
        service.ask(action="replay", all=True, actor="alice")
    assert service.queue.messages == []


def test_a_condition_on_payloads_is_refused(service: Service) -> None:
    """Unless it is allowed, `where` is an error that names the setting: it would tell what is in a payload."""
    requests: list[dict[str, Any]] = [{"action": "stats"}, {"action": "list"}, {"action": "replay", "actor": "a"}]
    for request in requests:
        answer = service.ask(**request, selector={"where": "data.delta == `1`"})
        assert "PENSTOCK_PAYLOAD_CONDITIONS" in answer["error"]
    assert {message.receive_count for message in service.dead.receive(10)} == {1}


def test_the_log_holds_no_selector(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    """The log has the action and the counts, and no expression, which may contain a value."""
    service = Service(engine, settings=Settings(payload_conditions=True))
    caplog.set_level(logging.INFO)
    service.ask(action="replay", selector={"where": "data.delta == `1` || data.email == 'a@b.c'"}, actor="alice")
    (record,) = [one for one in caplog.records if one.name == "penstock.database.operations"]
    assert (vars(record)["action"], vars(record)["counts"]) == ("dead_letters_replay", {"replayed": 3})
    assert "a@b.c" not in str(vars(record))


@pytest.mark.parametrize("rate", [5.0, 0.5, 0.05])
def test_a_slow_replay_ends_before_its_time_does(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, rate: float
) -> None:
    """At a rate at which a page takes half a minute, it ends within the page: the function is not cut off."""
    service, clock = Service(engine, letters=600), ManualClock()
    replaying = sys.modules["penstock.deadletters.replay.replay"]  # Its package has a function of that name.
    monkeypatch.setattr(replaying, "RateLimiter", partial(RateLimiter, clock=clock, sleep=clock.advance))
    context = LambdaContext(seconds=60, clock=clock)
    event = {"action": "replay", "all": True, "actor": "alice", "rate": rate}
    answer = service.function.handler(event, context)
    assert (answer["stopped"], service.dead.depth().in_flight) == ("OutOfTime", 0)
    assert context.get_remaining_time_in_millis() > 10_000
    assert answer["counts"]["replayed"] >= 15 * rate
