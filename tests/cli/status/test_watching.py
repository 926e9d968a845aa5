"""The commands that watch a stage, on a local AWS, a real ledger, and a Lambda in memory."""

import io
import json
import re
import shlex
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from botocore.exceptions import ClientError
from sqlalchemy import Engine, make_url
from typer.main import get_command

from demo import picture
from penstock.audit.reconcile import Discrepancy
from penstock.cli.app import tree
from penstock.cli.commands import breaker
from penstock.cli.status import snapshot
from penstock.cli.status.command import lines_of, row_of
from penstock.cli.status.snapshot import describe_error
from penstock.cli.support.project import Project
from penstock.cli.support.stage import Stage
from penstock.consumer.breaker.event_source import MARK, OPERATOR_MARK, EventSourceMapping
from penstock.intents import sign
from penstock.queue import Outgoing
from penstock.queue.age import oldest_seconds
from tests.support.audit import message
from tests.support.cli_stack import Run, Stack, id_of, letter, record
from tests.support.lambdas import ARN, MAPPING, LambdaStub, refusal
from tests.support.ledgers import Ledger
from tests.support.project import ROOT


@pytest.fixture
def stack(shop: Stack) -> Stack:
    """The deployed queues, instead of the whole service."""
    return shop


NOWHERE = "postgresql://nobody:hunter2@127.0.0.1:1/nowhere"
HOUR = 3600.0


@pytest.fixture
def ledger(engine: Engine) -> Ledger:
    """The ledger of the stack's database."""
    return Ledger(engine)


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> LambdaStub:
    """A Lambda in memory instead of the stack's."""
    stub = LambdaStub()
    client: Any = stub
    for module in (breaker, snapshot):
        monkeypatch.setattr(module, "mapping_of", lambda _: EventSourceMapping(client, MAPPING, ARN))
    return stub


# Status


def test_status_shows_every_part(stack: Stack, stub: LambdaStub, ledger: Ledger, run: Run) -> None:
    """It prints depths, ages, the drain's rate and latency, the breaker and the connections, as text and JSON."""
    stack.main.send([message(uuid4(), letter=False)] * 2)
    stack.dead.send([letter(1)])
    for _ in range(60):
        ledger.enter("applied", took=2)
    ledger.enter("dead", ago=HOUR)
    ledger.enter("pending")
    ended = run("status")
    lines = dict(line.split(":", 1) for line in ended.out.splitlines())
    assert {name: text.strip() for name, text in lines.items()} == {
        "queue": "about 2 waiting, 0 in flight, 0 delayed; 1 to be retried",
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
        "oldest_seconds": 2.0,
        "oldest_source": "ledger",
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
    assert ";" not in ended.err


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


# The breaker


def test_the_breaker_by_hand(stack: Stack, stub: LambdaStub, run: Run) -> None:
    """Open marks who and why, status shows the mark, close removes it; both print the state before."""
    opened = run("breaker", "open", "--reason", "index build", "--yes", "--json")
    assert (opened.code, opened.err) == (0, "before: closed\n")
    (row,) = opened.rows
    assert (row["position"], row["by"], row["state"]) == ("open", "operator", "Disabled")
    assert stub.tags[OPERATOR_MARK].endswith(" index build")
    assert "root" in stub.tags[OPERATOR_MARK]
    shown = dict(line.split("\t") for line in run("breaker", "status").out.splitlines())
    assert (shown["position"], shown["by"], shown["why"]) == ("open", "operator", stub.tags[OPERATOR_MARK])
    closed = run("breaker", "close")
    assert "before: open by operator: " in closed.err
    assert (closed.code, stub.on, stub.tags) == (0, True, {})
    assert run("breaker", "close").err == "before: closed\n"


def test_opening_needs_a_confirmation_and_a_reason(stack: Stack, stub: LambdaStub, run: Run) -> None:
    """Without a terminal it exits with 3, without a reason with 2; nothing is done."""
    assert run("breaker", "open", "--reason", "x").code == 3
    assert run("breaker", "open", "--yes").code == 2
    assert stub.on


@pytest.mark.parametrize("order", [("open", "--reason", "x", "--yes"), ("close",)])
def test_a_mapping_that_is_being_changed_is_a_conflict(
    stack: Stack, stub: LambdaStub, run: Run, order: tuple[str, ...]
) -> None:
    """During a deployment it exits with 5, and says that nothing was done."""
    stub.on = order[0] == "open"
    stub.refusals["update_event_source_mapping"] = refusal("ResourceInUseException")
    ended = run("breaker", *order)
    assert (ended.code, ended.out) == (5, "")
    assert "nothing was done" in ended.err


def test_without_permission_the_breaker_says_so(stack: Stack, stub: LambdaStub, run: Run) -> None:
    """If Lambda denies access, the exit code is 4."""
    stub.refusals["update_event_source_mapping"] = refusal("AccessDeniedException")
    assert run("breaker", "open", "--reason", "x", "--yes").code == 4


def test_a_drain_that_is_off_without_a_mark_is_reported(stack: Stack, stub: LambdaStub, run: Run) -> None:
    """If AWS lets the mapping be turned off but not tagged, stderr says that the drain is off."""
    stub.refusals["tag_resource"] = refusal("AccessDeniedException")
    ended = run("breaker", "open", "--reason", "x", "--yes")
    assert (ended.code, stub.on) == (4, False)
    assert "the drain is off" in ended.err
    assert "penstock breaker close" in ended.err


# The ledger


def test_an_entry_by_its_id_or_its_receipt(stack: Stack, ledger: Ledger, run: Run) -> None:
    """It shows the outcome, the times and the fault's names and codes, for an id or for a receipt with any key."""
    id_ = ledger.enter("dead", generation="ledger_past")
    ended = run("ledger", "show", str(id_))
    shown = dict(line.split("\t") for line in ended.out.splitlines())
    assert (ended.code, shown["outcome"], shown["generation"]) == (0, "dead", "past")
    assert (shown["fault.sqlstate"], shown["fault.constraint"]) == ("23514", "positive")
    for name in (str(id_).upper(), id_.hex, sign(id_, "any key").token):
        (row,) = run("ledger", "show", name, "--json").rows
        assert (row["id"], row["fault"]["reason"]) == (str(id_), "CheckViolation")


def test_an_entry_that_is_not_there(stack: Stack, run: Run) -> None:
    """It exits with 1 and names the possible reasons; a text that is not an id exits with 2."""
    ended = run("ledger", "show", id_of(7))
    assert (ended.code, ended.out) == (1, "")
    assert "still on a queue" in ended.err
    for text in ("x", "", "A" * 43, "\u20ac" * 43):
        assert run("ledger", "show", text).code == 2


def test_a_database_without_a_ledger_is_an_error(folder: Path, run: Run, postgres: Any) -> None:
    """If the tables are missing, the error names the table."""
    record(folder, database_url=postgres.url())
    ended = run("ledger", "show", id_of(7))
    assert (ended.code, ended.out) == (1, "")
    assert "penstock.ledger" in ended.err


# The audit


def test_an_audit_without_discrepancies(stack: Stack, ledger: Ledger, run: Run) -> None:
    """The account is on stdout, and stderr says that the dead letters were received once."""
    ledger.enter("applied", ago=HOUR)
    ledger.enter("dead", ago=HOUR, id=UUID(id_of(9)))
    stack.dead.send([letter(9)])
    ended = run("audit", "--check")
    shown = dict(line.split("\t") for line in ended.out.splitlines())
    assert (ended.code, shown["emitted"], shown["applied"], shown["dead"]) == (0, "2", "1", "1")
    assert "emitted 2 = 1 + 0 + 1 + 0" in ended.err
    assert "counted as one receive" in ended.err
    assert "no discrepancies" in ended.err
    assert stack.dead.depth().visible == 1


def test_an_audit_with_a_discrepancy(stack: Stack, ledger: Ledger, run: Run) -> None:
    """Each finding is a line with its verdict, before the account; with --check the exit code is 10."""
    gone = ledger.enter("dead", ago=HOUR)
    ended = run("audit", "--json")
    finding, account = ended.rows
    assert finding == {"id": str(gone), "verdict": "gone", "outcome": "dead"}
    assert (ended.code, account["gone"]) == (0, 1)
    assert run("audit", "--check").code == 10
    assert run("audit", "--check", "--since", "30m").code == 0


def test_an_audit_of_ids(stack: Stack, ledger: Ledger, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ids and receipts of a file or of stdin are accounted for; any other text exits with 2."""
    applied, lost = ledger.enter("applied", ago=HOUR), uuid4()
    lines = f"{applied}\n\n {sign(applied, 'k').token} \r\n{lost}\n"
    (stack.folder / "ids.txt").write_text(lines)
    finding, account = run("audit", "--ids", "ids.txt", "--json").rows
    assert finding == {"id": str(lost), "verdict": "lost", "outcome": None}
    assert (account["emitted"], account["applied"], account["lost"], account["since"]) == (2, 1, 1, None)
    monkeypatch.setattr("sys.stdin", io.StringIO(lines))
    assert run("audit", "--ids", "-", "--check").code == 10
    (stack.folder / "ids.txt").write_text(f"{lines}nonsense\x1b\n")
    ended = run("audit", "--ids", "ids.txt")
    assert (ended.code, ended.out) == (2, "")
    assert "line 5: 'nonsense\\x1b' is neither" in ended.err
    assert run("audit", "--ids", "other.txt").code == 2


@pytest.mark.parametrize("since", ["soon", "2999-01-01T00:00:00Z", "-1d", ""])
def test_an_invalid_since(folder: Path, run: Run, since: str) -> None:
    """It exits with 2 before anything is read."""
    ended = run("audit", f"--since={since}")
    assert (ended.code, ended.out) == (2, "")


def test_another_programs_text_is_escaped(stack: Stack, ledger: Ledger, run: Run) -> None:
    """An id from an unknown sender is printed without line breaks and control sequences."""
    body = json.dumps({"specversion": "1.0", "id": "x\x1b[31m\ny", "type": "thing.done"})
    stack.dead.send([Outgoing(body)])
    assert run("audit").out.splitlines()[0] == "x\N{REPLACEMENT CHARACTER}[31m\N{REPLACEMENT CHARACTER}y\tmoved\t-"


def test_an_audit_without_the_database_prints_nothing(stack: Stack, run: Run) -> None:
    """It exits with 1, prints no part of the account, and releases the dead letters."""
    stack.dead.send([letter(1)])
    ended = run("audit", "--database-url", NOWHERE)
    assert (ended.code, ended.out) == (1, "")
    assert "hunter2" not in ended.err
    assert stack.dead.depth().visible == 1


PAGE = (ROOT / "docs" / "watching.md").read_text()


def test_every_command_of_the_page_exists() -> None:
    """Each `$ penstock` line of the page is an existing command with existing options."""
    lines = re.findall(r"^\$ penstock (.*)", PAGE, re.MULTILINE)
    assert len(lines) >= 6
    for line in lines:
        command, words = get_command(tree()), shlex.split(line)
        while words and words[0] in getattr(command, "commands", {}):
            command = command.commands[words.pop(0)]  # type: ignore[attr-defined]
        known = {name for parameter in command.params for name in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= known


def test_every_verdict_is_explained() -> None:
    """The page has a row for each verdict of the audit, and for no other word."""
    table = PAGE.split("| word |")[1].split("\n\n")[0]
    assert set(re.findall(r"^\| `(\w+)`", table, re.MULTILINE)) == set(Discrepancy)


def test_the_snippet_of_the_page_runs(database_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The page's code reads the figures with a role that may only read."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS watcher")
        connection.execute("CREATE ROLE watcher LOGIN PASSWORD 'watcher'")
        connection.execute("GRANT USAGE ON SCHEMA penstock TO watcher")
        connection.execute("GRANT SELECT ON penstock.ledger, penstock.ledger_past TO watcher")
    url = make_url(database_url).set(username="watcher", password="watcher").render_as_string(False)
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(code.replace("postgresql://…", url), "watching.md", "exec"), names)  # noqa: S102
    names["engine"].dispose()
    assert capsys.readouterr().out == "0.0 None []\n"


def test_constant_keys() -> None:
    """The output has the same keys, even if parts are not known."""
    whole = picture.snapshot()
    nothing = replace(whole, queue=None, dead_letters=None, retention=None, figures=None, breaker=None)
    assert row_of(whole).keys() == row_of(nothing).keys()
    assert lines_of(whole).keys() == lines_of(nothing).keys()
