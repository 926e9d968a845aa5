"""What an operator does with a stage: trials, replays with a canary, the breaker, the log of operations."""

import json
from collections.abc import Callable

import pytest
from sqlalchemy import Engine

from penstock.cli.operate.canary_replay import CanaryReplay, Phase, Progress
from penstock.cli.support.errors import Failure
from penstock.consumer.dry_run import DryRunOutcome, DryRunResult
from penstock.consumer.faults.tree import DataFault
from penstock.deadletters import Plan, Selector
from penstock.deadletters.edit.errors import EditRefused
from penstock.testing.queue import MemoryQueue
from tests.support.dlq import fingerprint_of, operation_records
from tests.support.lambdas import LambdaStub, refusal
from tests.support.ledgers import Ledger
from tests.support.operate import CHECK, NULL, dead_letter, operated

ALL = Selector.of(fingerprints=[fingerprint_of(dead_letter(0))])


def queues(count: int) -> tuple[MemoryQueue, MemoryQueue]:
    dead = MemoryQueue()
    assert dead.send([dead_letter(number) for number in range(count)]) == {}
    return dead, MemoryQueue(dead.clock)


def settling(ledger: Ledger, main: MemoryQueue, outcome: str) -> Callable[[float], bool]:
    """Return a wait during which the drain settles what is on the queue."""

    def wait(seconds: float) -> bool:
        if seconds:
            for message in main.receive(10, visibility_seconds=3600):
                ledger.enter(outcome, id=json.loads(message.body)["id"], ago=-1)
        return False

    return wait


@pytest.mark.parametrize(("rest", "sent"), [(True, 5), (False, 2)])
def test_a_canary_that_took_effect(engine: Engine, rest: bool, sent: int) -> None:
    """The rest follows only if it was asked for; each phase is reported, and the operation is on record."""
    dead, main = queues(5)
    seen: list[Progress] = []
    wanted = CanaryReplay(Plan(selector=ALL), canary=2, rest=rest)
    end = operated(dead, main, engine).replay(
        wanted, on_progress=seen.append, stopping=settling(Ledger(engine), main, "applied")
    )
    assert (end.phase, end.canary, end.counts, end.stopped) == (
        Phase.DONE,
        {"applied": 2},
        {"replayed": sent},
        None,
    )
    phases = list(dict.fromkeys(one.phase for one in seen))
    assert phases == [Phase.CANARY, Phase.WAITING, *([Phase.REST] if rest else []), Phase.DONE]
    (record,) = operation_records(engine)
    assert (record["actor"], record["outcome"], record["counts"]) == ("user/alice", "done", {"replayed": sent})
    assert record["selection"] == {"fingerprints": sorted(ALL.fingerprints), "canary": 2, "rest": rest}
    assert (dead.depth().visible, record["id"]) == (5 - sent, end.operation)


def test_a_canary_that_died(engine: Engine) -> None:
    """The rest stays, the error says so, and the record has the failure."""
    dead, main = queues(3)
    wanted = CanaryReplay(Plan(selector=ALL), canary=1, rest=True)
    with pytest.raises(Failure, match=r"the canary failed: 1 dead\. The rest was not sent"):
        operated(dead, main, engine).replay(
            wanted, on_progress=lambda _: None, stopping=settling(Ledger(engine), main, "dead")
        )
    assert dead.depth().visible == 2
    assert operation_records(engine)[0]["outcome"] == "failed"


def test_a_stopped_replay(engine: Engine) -> None:
    """A request to stop ends the wait for the canary; the rest stays, and the record says interrupted."""
    dead, main = queues(3)
    wanted = CanaryReplay(Plan(selector=ALL), canary=1, rest=True)
    end = operated(dead, main, engine).replay(wanted, on_progress=lambda _: None, stopping=lambda s: s > 0)
    assert (end.stopped, end.counts, dead.depth().visible) == ("OutOfTime", {"replayed": 1}, 2)
    assert operation_records(engine)[0]["outcome"] == "interrupted"


def test_nothing_is_sent_without_a_record() -> None:
    """If the database is away, the replay fails before anything is sent."""
    dead, main = queues(3)
    with pytest.raises(Failure, match="connection refused"):
        operated(dead, main).replay(
            CanaryReplay(Plan(selector=ALL), canary=1, rest=True),
            on_progress=lambda _: None,
            stopping=lambda _: False,
        )
    assert (dead.depth().visible, main.depth().total) == (3, 0)


def test_a_trial(engine: Engine) -> None:
    """A trial returns an outcome for each of so many letters, and sends nothing; an edit is applied before."""
    dead, main = queues(3)
    bodies: list[str] = []

    def dry_run(given: list[str]) -> list[DryRunResult]:
        bodies.extend(given)
        return [DryRunResult(DryRunOutcome.DEAD, None, None, DataFault(CHECK)) for _ in given]

    def edit(body: str) -> str:
        if body.count("00000001"):
            raise EditRefused("no")
        return body.replace("-2", "-1")

    stage = operated(dead, main, engine, trial=lambda: lambda _: dry_run)
    results = stage.try_plan(Plan(selector=ALL, edit=edit), 2)
    assert len(results) == 2
    assert {one.would for one in results} <= {"dead", "not-sent"}
    assert all('"delta": -1' in body for body in bodies)
    assert (dead.depth().visible, main.depth().total) == (3, 0)


def test_the_breaker_by_hand(engine: Engine) -> None:
    """Opening and closing are on record with the operator; the tag has the operator and the reason."""
    stub = LambdaStub()
    stage = operated(*queues(0), engine, stub)
    stage.open_breaker("index build")
    assert (stage.breaker().position, stage.breaker().by) == ("open", "operator")
    assert stub.tags["penstock:operator"].startswith("user/alice 20")
    stage.close_breaker()
    assert stage.breaker().position == "closed"
    assert [record.action for record in stage.operations(1)] == ["breaker-close"]
    assert [record["selection"] for record in operation_records(engine)] == [{"reason": "index build"}, {}]


def test_the_breaker_works_without_the_database() -> None:
    """The drain can be turned off while the database is away."""
    stub = LambdaStub()
    operated(*queues(0), stub=stub).open_breaker("it is down")
    assert not stub.on


def test_a_refusal_of_the_breaker_is_no_reason_to_try_again() -> None:
    """If Lambda refuses, the error is raised, and the call is not repeated without a record."""
    stub = LambdaStub(refusals={"tag_resource": refusal("AccessDeniedException")})
    with pytest.raises(Failure, match=r"the drain is off, .* \(AccessDeniedException\)"):
        operated(*queues(0), stub=stub).open_breaker("x")
    assert stub.named.count("tag_resource") == 1


def test_the_newest_operations(engine: Engine) -> None:
    """The log has the newest operations first, as many as asked for."""
    stage = operated(*queues(0), engine)
    for number in range(3):
        stage.open_breaker(str(number))
    assert [record.selection["reason"] for record in stage.operations(2)] == ["2", "1"]


def test_causes_and_letters_of_a_stage() -> None:
    """A stage gives its causes, the letters of one, and one letter."""
    dead, main = queues(2)
    dead.send([dead_letter(5, NULL, "email.requested")])
    stage = operated(dead, main)
    key = fingerprint_of(dead_letter(0))
    assert [cause.count for cause in stage.survey().causes] == [2, 1]
    (first, _) = stage.letters(key, 5)
    assert stage.letter(first.message_id)


def test_what_stands_in_the_way_of_a_replay(engine: Engine) -> None:
    """The state of the drain is known before a replay, also without the database; the way out is of that stage."""
    stub = LambdaStub(on=False)
    for database in (engine, None):
        stage = operated(MemoryQueue(), MemoryQueue(), database, stub, words=" --stage dev")
        state = stage.drain_state()
        (obstacle,) = state.obstacles
        assert "the drain is off" in obstacle
        assert "`penstock breaker close --stage dev`" in obstacle
        assert bool(state.unread) == (database is None)
