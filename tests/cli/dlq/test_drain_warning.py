"""The warning of `penstock dlq replay` while the drain is off, or hands intents back."""

import pytest
from sqlalchemy import create_engine

from penstock.cli.operate.drain_state import read_drain_state
from penstock.consumer.breaker.event_source import MARK, OPERATOR_MARK, EventSourceMapping
from tests.support.cli_stack import Run, Stack, id_of, letter
from tests.support.dlq import KIND, UNREACHABLE_DATABASE, operation_records
from tests.support.lambdas import ARN, MAPPING, LambdaStub, refusal
from tests.support.ledgers import Ledger

WAITS = '{"fault": "DeploymentFault", "reason": "UndefinedColumn", "sqlstate": "42703", "column": "subject"}'


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> LambdaStub:
    """A Lambda in memory instead of the stack's."""
    stub = LambdaStub()
    monkeypatch.setattr(
        "penstock.cli.dlq.replay.mapping_of",
        lambda _: EventSourceMapping(stub, MAPPING, ARN),  # type: ignore[arg-type]
    )
    return stub


@pytest.mark.parametrize(
    ("tags", "says"),
    [
        ({}, "nobody left a reason"),
        ({OPERATOR_MARK: "alice index build"}, "by an operator: alice index build"),
        ({MARK: "2026-11-26 TooManyConnections"}, "by the breaker: 2026-11-26 TooManyConnections"),
    ],
    ids=["disabled", "by hand", "tripped"],
)
def test_a_replay_warns_while_the_drain_is_off(
    shop: Stack, run: Run, stub: LambdaStub, tags: dict[str, str], says: str
) -> None:
    """The warning is on stderr with who turned it off and the way out, and a replay without a terminal goes on."""
    stub.on, stub.tags = False, tags
    shop.dead.send([letter(1)])
    ended = run("dlq", "replay", *KIND, "--json")
    assert (ended.code, len(ended.rows), shop.main.depth().total) == (0, 1, 1)
    assert f"Warning: the drain is off, {'' if tags else 'and '}{says}" in ended.err
    assert "penstock breaker" in ended.err


@pytest.mark.parametrize("kind", ["email.requested", "page.viewed"])
def test_a_replay_warns_while_intents_are_handed_back(
    shop: Stack, run: Run, stub: LambdaStub, ledger: Ledger, kind: str
) -> None:
    """It names what they wait for and the way out, but only of the kinds that are replayed."""
    ledger.enter("pending", kind=kind, fault=WAITS)
    shop.dead.send([letter(1)])
    ended = run("dlq", "replay", *KIND)
    assert ended.code == 0
    assert ("UndefinedColumn 42703: column subject (1 x email.requested" in ended.err) == (kind == KIND[1])
    assert ("`penstock check` shows what to mend" in ended.err) == (kind == KIND[1])
    assert f"(1 x {kind}" in run("dlq", "replay", "--id", id_of(2)).err


def test_no_input_refuses_what_a_terminal_would_ask(shop: Stack, run: Run, stub: LambdaStub) -> None:
    """With --no-input a replay that would be asked about exits with 3; with --yes it goes on."""
    stub.on = False
    shop.dead.send([letter(1)])
    ended = run("dlq", "replay", *KIND, "--no-input")
    assert (ended.code, shop.dead.depth().visible) == (3, 1)
    assert run("dlq", "replay", *KIND, "--no-input", "--yes").code == 0


def test_a_state_that_cannot_be_read_stops_nothing(
    shop: Stack, run: Run, stub: LambdaStub, ledger: Ledger
) -> None:
    """Each part that cannot be read is named with its reason, and the replay goes on."""
    stub.refusals["get_event_source_mapping"] = refusal("AccessDeniedException")
    shop.dead.send([letter(1)])
    ended = run("dlq", "replay", *KIND, "--no-record")
    assert ended.code == 0
    assert "not known before this replay: whether the drain is on: Operation: AccessDeniedException" in ended.err
    assert "whether intents are handed back: the ledger is not read" in ended.err
    assert operation_records(ledger.engine) == []


def test_a_database_that_is_away_is_a_reason() -> None:
    """An unreachable ledger is a line without the password, and no error."""
    stub = LambdaStub()
    engine = create_engine(UNREACHABLE_DATABASE.replace("postgresql:", "postgresql+psycopg:"))
    state = read_drain_state(lambda: EventSourceMapping(stub, MAPPING, ARN), engine, ())  # type: ignore[arg-type]
    assert (state.obstacles, len(state.unread)) == ([], 1)
    assert "hunter2" not in state.unread[0]
    engine.dispose()


def test_a_terminal_is_asked(shop: Stack, run: Run, stub: LambdaStub, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal the command asks after the warning: no changes nothing and exits with 3, yes goes on."""
    stub.on = False
    shop.dead.send([letter(1)])
    for module in ("dlq.drain_warning", "support.confirm"):
        monkeypatch.setattr(f"penstock.cli.{module}.can_ask", lambda: True)
    for answer, code in (("n\n", 3), ("y\n", 0)):
        assert shop.dead.depth().visible == 1
        (shop.folder / "answer").write_text(answer)
        with (shop.folder / "answer").open() as stdin:
            monkeypatch.setattr("sys.stdin", stdin)
            ended = run("dlq", "replay", *KIND)
        assert (ended.code, "Replay anyway? [y/N]: " in ended.err) == (code, True)
    assert shop.main.depth().total == 1
