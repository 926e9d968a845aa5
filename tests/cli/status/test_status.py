"""`penstock status`: each part of a stage, or the reason why it could not be read."""

import re
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from botocore.exceptions import ClientError
from rich.cells import cell_len
from sqlalchemy import Engine, text

from demo import picture
from penstock.cli.status import snapshot
from penstock.cli.status.command import draw_status, lines_of, row_of
from penstock.cli.status.verdict import judge
from penstock.cli.support.describe_error import describe_error
from penstock.cli.support.project import Project
from penstock.cli.support.stage import Stage
from penstock.consumer.breaker.event_source import MARK, OPERATOR_MARK
from penstock.database import make_engine
from penstock.queue import Depth
from penstock.queue.age import oldest_seconds
from tests.support.audit import message
from tests.support.cli_stack import Run, Stack, letter
from tests.support.drain import Bench, ThingMade
from tests.support.holds import store_of
from tests.support.lambdas import LambdaStub, refusal
from tests.support.ledgers import Ledger

NOWHERE = "postgresql://nobody:hunter2@127.0.0.1:1/nowhere"
HOUR = 3600.0


def test_status_shows_every_part(stack: Stack, stub: LambdaStub, ledger: Ledger, run: Run) -> None:
    """It prints depths, ages, the drain's rate and latency, the breaker and the connections, as text and JSON."""
    stack.main.send([message(uuid4(), letter=False)] * 2)
    stack.dead.send([letter(1)])
    for _ in range(60):
        ledger.enter("applied", took=2)
    ledger.enter("dead", ago=HOUR)
    ledger.enter("pending")
    ended = run("status")
    verdict, *rest = ended.out.splitlines()
    assert verdict == "DEGRADED: there are dead letters: about 1"
    lines = {name: text.strip() for name, text in (line.split(":", 1) for line in rest)}
    # How long the intent has been waiting depends on the machine.
    assert re.fullmatch(r"CheckViolation 23514 \(1 x thing\.done, \d+s\)", lines.pop("waiting for"))
    assert lines == {
        "queue": "about 2 waiting, 0 in flight, 0 delayed",
        "next": "penstock dlq stats",
        "oldest": "2s (from the ledger: the longest time from emit to commit in the last minute)",
        "dead letters": "about 1, the first expires in 13d",
        "drain": "1.0/s in the last minute: 60 applied, 0 stale, 0 dead",
        "emit to commit": "p50 2.00 s, p99 2.00 s",
        "breaker": "closed",
        "connections": "0 of a budget of 12",
    }
    assert (ended.code, ended.err) == (0, "")
    (row,) = run("status", "--json").rows
    assert row["queue"] == {
        "visible": 2,
        "in_flight": 0,
        "delayed": 0,
        "resting": 0,
        "oldest_seconds": 2.0,
        "oldest_source": "ledger",
        "swept_in_seconds": None,
    }
    (cause,) = row["drain"]["causes"]
    assert (row["drain"]["applied"], cause["sqlstate"], cause["count"]) == (60, "23514", 1)
    assert (row["breaker"]["position"], row["connections"]) == ("closed", {"held": 0, "budget": 12})
    assert (stack.main.depth().visible, stack.dead.depth().visible) == (2, 1)


def test_an_idle_stage(stack: Stack, stub: LambdaStub, run: Run) -> None:
    """Without messages no figure is invented, and the check finds nothing."""
    ended = run("status", "--check")
    assert ended.code == 0
    assert "none (the queue is empty)" in ended.out
    assert "no intent was applied in the last minute" in ended.out


def test_a_part_that_cannot_be_read_is_shown(stack: Stack, stub: LambdaStub, run: Run) -> None:
    """Without the database or a permission the part shows the reason, the others are shown, and the code is 1."""
    stub.refusals["get_event_source_mapping"] = refusal("AccessDeniedException")
    stack.main.send([message(uuid4(), letter=False)])
    ended = run("status", "--check", "--database-url", NOWHERE)
    assert (ended.code, ended.err) == (1, "")
    lines = {line.split(":")[0]: line for line in ended.out.splitlines()}
    assert "about 1 waiting" in lines["queue"]
    assert "unknown (neither CloudWatch nor the ledger has it)" in lines["oldest"]
    assert "Connection refused" in lines["drain"]
    assert "AccessDeniedException" in lines["breaker"]
    assert "hunter2" not in ended.out
    (row,) = run("status", "--json", "--database-url", NOWHERE).rows
    assert (row["drain"], row["connections"], row["breaker"]) == (None, None, None)
    assert row["troubles"].keys() == {"database", "breaker"}


def test_unreachable_queues_are_shown(
    stack: Stack, stub: LambdaStub, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without SQS the ledger and the breaker are still shown."""
    denied = ClientError({"Error": {"Code": "AccessDenied", "Message": "secret"}}, "GetQueueAttributes")

    def refuse(_: Stage) -> None:
        raise denied

    monkeypatch.setattr(Stage, "queues", refuse)
    ended = run("status")
    assert ended.code == 1
    assert ended.out.count("not known: GetQueueAttributes: AccessDenied") == 2
    assert "connections:    0 of a budget of 12" in ended.out
    assert "secret" not in ended.out


@pytest.mark.parametrize("wrong", ["breaker", "dead letters", "connections"])
def test_the_check_finds(stack: Stack, stub: LambdaStub, run: Run, wrong: str, database_url: str) -> None:
    """An open breaker, dead letters and connections over the budget each exit with 10, and are named."""
    stub.on = wrong != "breaker"
    stack.dead.send([letter(1)] if wrong == "dead letters" else [])
    name = f"{Project.find(stack.folder).service}:drain:1"
    with ExitStack() as held:
        for _ in range(13 if wrong == "connections" else 12):
            held.enter_context(psycopg.connect(database_url, application_name=name))
        ended = run("status", "--check")
    assert ended.code == 10
    assert wrong in ended.err
    assert ended.out.startswith("STOPPED: " if wrong == "breaker" else "DEGRADED: ")
    assert ";" not in ended.err


def test_a_broken_deployment_does_not_look_healthy(
    stack: Stack, stub: LambdaStub, database_url: str, run: Run
) -> None:
    """Intents that wait for a column are named with it, and the next command is the one that finds out more."""
    engine = make_engine(database_url)
    bench = Bench(engine)
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE things DROP COLUMN size"))
    bench([ThingMade(name="a", size=1), ThingMade(name="b", size=1)])
    ended = run("status", "--check", "--stage", "local")
    engine.dispose()
    assert ended.code == 10
    first, second, *_ = ended.out.splitlines()
    assert first.startswith("DEGRADED: intents wait for a mended deployment: UndefinedColumn 42703")
    assert "(2 x thing.made, " in first
    assert second == "next:           penstock check --stage local"
    (row,) = run("status", "--json").rows
    assert (row["state"], row["next"], len(row["reasons"])) == ("DEGRADED", "penstock check", 1)
    assert row["drain"]["waiting"][0]["sqlstate"] == "42703"


def test_events_that_are_late_are_a_reason(stack: Stack, stub: LambdaStub, run: Run, database_url: str) -> None:
    """Events that wait have a line, and those that were not sent for long degrade the stage."""
    into = "INSERT INTO penstock.outbox (id, kind, outcome, stated_at, settled_at)"
    values = "VALUES (gen_random_uuid(), 'a', 'applied', now(), now() - make_interval(mins => {}))"
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(f"{into} {values.format(2)}".encode())
        ended = run("status")
        assert "events:         1 wait to be sent, the oldest for 2m\n" in ended.out
        assert ended.out.startswith("OK")
        connection.execute(f"TRUNCATE penstock.outbox; {into} {values.format(90)}".encode())
        assert run("status").out.startswith("DEGRADED: events about outcomes are late: 1 wait")
        assert run("status", "--json").rows[0]["events"]["count"] == 1


def test_intents_that_wait_for_others_are_no_alarm(
    stack: Stack, stub: LambdaStub, ledger: Ledger, run: Run
) -> None:
    """What waits for its parent is shown, and the state is OK."""
    ledger.enter("pending", fault='{"fault": "NotYetFault", "reason": "ForeignKeyViolation", "sqlstate": "23503"}')
    ended = run("status", "--check")
    assert (ended.code, ended.out.splitlines()[0]) == (0, "OK")
    assert "ForeignKeyViolation 23503 (1 x thing.done, 1s)" in ended.out
    assert "next:" not in ended.out


def test_while_the_drain_is_off_the_age_is_unknown(
    stack: Stack, stub: LambdaStub, ledger: Ledger, run: Run
) -> None:
    """Intents that were applied before the drain was turned off say nothing about the messages that wait now."""
    stack.main.send([message(uuid4(), letter=False)])
    ledger.enter("applied")
    stub.on, stub.tags = False, {MARK: "OperationalError"}
    ended = run("status")
    assert "unknown (neither CloudWatch nor the ledger has it)" in ended.out
    assert "open by the breaker: OperationalError" in ended.out


def test_cloudwatch_is_asked_first(
    stack: Stack, stub: LambdaStub, ledger: Ledger, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An age from CloudWatch has priority, and its source is shown."""
    stack.main.send([message(uuid4(), letter=False)])
    ledger.enter("applied")
    monkeypatch.setattr(snapshot, "oldest_seconds", lambda *_: 7201.0)
    assert "oldest:         2h (from CloudWatch)" in run("status").out


def test_an_open_breaker_tells_when_messages_are_dead_lettered(
    stack: Stack, stub: LambdaStub, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the drain is off, the time until the oldest message is swept is a day less than the queue keeps it."""
    stack.main.send([message(uuid4(), letter=False)])
    kept = stack.main.retention_seconds()
    monkeypatch.setattr(snapshot, "oldest_seconds", lambda *_: kept - 30 * HOUR)
    assert "dead-lettered" not in run("status").out
    stub.on, stub.tags = False, {OPERATOR_MARK: "alice"}
    assert "(from CloudWatch); while the drain is off, dead-lettered from 6h on" in run("status").out
    assert run("status", "--json").rows[0]["queue"]["swept_in_seconds"] == 6 * HOUR


def test_watching_goes_on(stack: Stack, stub: LambdaStub, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """It prints one line after the other until an interrupt, which exits with 130; it does not go with --check."""
    left = iter([None, None])

    def sleep(_seconds: float) -> None:
        if next(left, "over") == "over":
            raise KeyboardInterrupt

    monkeypatch.setattr("penstock.cli.status.command.time.sleep", sleep)
    ended = run("status", "--watch", "--json")
    assert (ended.code, len(ended.rows)) == (130, 3)
    assert run("status", "--watch", "--check").code == 2


def test_no_stage_is_one_clear_error(folder: Path, run: Run) -> None:
    """Without a stage there is one error, not one for each part."""
    for words in (("status",), ("audit",), ("breaker", "status")):
        ended = run(*words)
        assert (ended.code, ended.out) == (2, "")
        assert "no stage is given" in ended.err


class Watch:
    """A CloudWatch that has these ages, one per minute."""

    def __init__(self, *ages: float) -> None:
        self.points = [{"Timestamp": n, "Maximum": age} for n, age in enumerate(ages)]
        self.asked: dict[str, Any] = {}

    def get_metric_statistics(self, **asked: Any) -> Any:
        self.asked = asked
        return {"Datapoints": self.points[::-1]}


def test_the_newest_age_counts() -> None:
    """The newest of CloudWatch's ages is returned, and None if there is none."""
    watch, now = Watch(5.0, 60.0, 3.0), datetime.now(UTC)
    assert oldest_seconds(watch, "https://sqs/1/shop-dev-writes", now) == 3.0
    assert watch.asked["Dimensions"] == [{"Name": "QueueName", "Value": "shop-dev-writes"}]
    assert oldest_seconds(Watch(), "https://sqs/1/shop-dev-writes", now) is None


def test_a_reason_is_one_line() -> None:
    """A reason is one line without control characters."""
    assert describe_error(RuntimeError("a\x1b\nb")) == "a\N{REPLACEMENT CHARACTER}"
    assert describe_error(RuntimeError()) == "RuntimeError"


@pytest.mark.parametrize(
    ("in_flight", "rest", "text"),
    [
        (12, 9, "about 5 waiting, 3 in flight, 9 resting until their next try, 0 delayed"),
        (4, 9, "about 5 waiting, 0 in flight, 4 resting until their next try, 0 delayed"),
        (12, 0, "about 5 waiting, 12 in flight, 0 delayed"),
        (12, None, "about 5 waiting, 12 in flight or resting, 0 delayed"),
    ],
)
def test_what_rests_is_not_in_flight(in_flight: int, rest: int | None, text: str) -> None:
    """No more rest than SQS counts in flight, and without the ledger nobody knows how many do."""
    whole = picture.snapshot()
    assert whole.figures
    figures = None if rest is None else replace(whole.figures, resting=rest)
    one = replace(whole, queue=Depth(5, in_flight, 0), figures=figures)
    assert lines_of(one)["queue"] == text
    assert row_of(one)["queue"]["resting"] == (None if rest is None else min(rest, in_flight))
    assert row_of(one)["queue"]["in_flight"] == in_flight


@pytest.mark.parametrize("width", [40, 80, 200])
def test_a_status_fits_the_terminal(width: int) -> None:
    """No line is wider than the terminal, and no word is broken."""
    one = picture.snapshot(dead=3)
    drawn = [line.plain for line in draw_status(judge(one), lines_of(one), width)]
    assert max(map(cell_len, drawn)) <= width
    words = " ".join(drawn).split()
    assert words[0] == "DEGRADED:"
    assert set(words) >= {word for text in lines_of(one).values() for word in text.split()}


def test_a_terminal_gets_an_error_once() -> None:
    """What several parts cannot be read for is said with the first of them."""
    one = replace(picture.snapshot(), figures=None, errors={"database": "connection refused"})
    drawn = "\n".join(line.plain for line in draw_status(judge(one), lines_of(one), 120))
    shown = drawn[drawn.index("queue") :]
    assert (shown.count("connection refused"), shown.count("not known, as above")) == (1, 3)


def test_constant_keys() -> None:
    """The output has the same keys, even if parts are not known."""
    whole = picture.snapshot()
    nothing = replace(whole, queue=None, dead_letters=None, retention=None, figures=None, breaker=None)
    assert row_of(whole).keys() == row_of(nothing).keys()
    assert lines_of(whole).keys() == lines_of(nothing).keys()


def test_a_hold_is_a_reason(stack: Stack, stub: LambdaStub, engine: Engine, run: Run) -> None:
    """It degrades the state, with its age, who and why, so that nobody forgets it; so does a release cut off."""
    bench, store = Bench(engine), store_of(engine)
    store.hold("thing.made", "new column", "alice")
    assert bench([ThingMade(name="a")]) == []
    ended = run("status", "--check")
    verdict, following, *lines = ended.out.splitlines()
    assert re.fullmatch(r"DEGRADED: thing.made is held since \ds by alice \(new column\): 1 intent waits", verdict)
    assert (ended.code, following) == (10, "next:           penstock hold")
    assert "queue:          about 0 waiting, 0 in flight, 0 delayed; 1 held" in lines
    (row,) = run("status", "--json").rows
    assert [(hold["kind"], hold["count"]) for hold in row["drain"]["holds"]] == [("thing.made", 1)]
    store.begin_release("thing.made")
    verdict, following, *_ = run("status").out.splitlines()
    assert "the release of thing.made has not ended: 1 intent waits" in verdict
    assert following == "next:           penstock release thing.made"
