"""`penstock dlq replay --native`: the requests to SQS, and how the command ends."""

import json
import os
import signal

import psycopg
import pytest
from botocore.exceptions import ClientError

from penstock.deadletters.replay import native_move
from penstock.deadletters.replay.move_tasks import MoveError, MoveNotOffered, MoveTask
from penstock.local import state
from tests.support.cli_stack import Run, Stack
from tests.support.moves import MemoryMoves


@pytest.fixture
def moves(shop: Stack, monkeypatch: pytest.MonkeyPatch) -> MemoryMoves:
    """The message move tasks of SQS in memory, because no local AWS has them."""
    moves = MemoryMoves(25)
    monkeypatch.setattr("penstock.cli.dlq.native_move.SqsMoveTasks", lambda _client: moves)
    monkeypatch.setattr(native_move, "_POLL_SECONDS", 0)
    return moves


def last_operation(shop: Stack) -> tuple[object, ...] | None:
    """Return the action, outcome and counts of the last recorded operation."""
    local = state.load(shop.folder)
    assert local
    with psycopg.connect(local.database_url) as connection:
        query = "SELECT action, outcome, counts FROM penstock.operation ORDER BY begun_at DESC LIMIT 1"
        return connection.execute(query).fetchone()


def test_all_are_moved_by_sqs(shop: Stack, moves: MemoryMoves, run: Run) -> None:
    """One task is started for the two queues of the stage, at the given rate, and the move is recorded."""
    ended = run("dlq", "replay", "--all", "--native", "--rate", "50", "--yes", "--json")
    assert (ended.code, ended.rows[0]["status"], ended.rows[0]["moved"]) == (0, "COMPLETED", 25)
    ((dead, main, rate),) = moves.asked
    assert (dead.split(":")[-1] != main.split(":")[-1], rate) == (True, 50)
    assert last_operation(shop) == ("native-move", "done", {"moved": 25})


@pytest.mark.parametrize(
    "words",
    [
        ("--kind", "x"),
        ("--all", "--limit", "1"),
        ("--all", "--canary", "1"),
        ("--all", "--trial"),
        ("--all", "--max-replays", "1"),
        ("--all", "--to", "x"),
        ("--all", "--rate", "0.5"),
        ("--all", "--rate", "501"),
    ],
)
def test_other_options_are_wrong_usage(moves: MemoryMoves, run: Run, words: tuple[str, ...]) -> None:
    """SQS moves all messages or none, so that a finer selection is wrong usage, and nothing is moved."""
    ended = run("dlq", "replay", "--native", "--yes", *words)
    assert (ended.code, moves.asked) == (2, [])


def test_a_running_move_is_a_conflict(shop: Stack, moves: MemoryMoves, run: Run) -> None:
    """While a task is running no other one is started, and the exit code is 5."""
    moves.start("dead", "main", None)
    ended = run("dlq", "replay", "--all", "--native", "--yes")
    assert (ended.code, len(moves.asked)) == (5, 1)
    assert last_operation(shop) == ("native-move", "failed", {})


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_cancels(
    shop: Stack, moves: MemoryMoves, run: Run, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """The first Ctrl-C or SIGTERM cancels the task; moved messages are counted and stay moved: 130 or 143."""
    latest = moves.latest
    pressed: list[MoveTask] = []

    def press(arn: str) -> MoveTask | None:
        task = latest(arn)
        if task and task.moved == 10 and not pressed:
            pressed.append(task)
            os.kill(os.getpid(), number)
        return task

    monkeypatch.setattr(moves, "latest", press)
    ended = run("dlq", "replay", "--all", "--native", "--yes")
    assert ended.code == 128 + number
    assert "the task was cancelled after about" in ended.err
    assert 0 < moves.moved < 25
    assert last_operation(shop) == ("native-move", "interrupted", {"moved": moves.moved})


def test_an_endpoint_without_the_operation_has_a_hint(
    moves: MemoryMoves,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An endpoint without the operation exits with 1, and the error names the replay without --native."""

    def refuse(_arn: str) -> MoveTask | None:
        raise MoveNotOffered("no such operation", "InvalidAction")

    monkeypatch.setattr(moves, "latest", refuse)
    ended = run("dlq", "replay", "--all", "--native", "--yes")
    assert ended.code == 1
    assert "Run it without --native" in ended.err
    assert json.dumps(moves.asked) == "[]"


def test_a_task_that_cannot_be_followed_continues(
    moves: MemoryMoves, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If SQS cannot be reached after the task has started, the error does not suggest another replay."""
    latest, calls = moves.latest, []

    def refuse(arn: str) -> MoveTask | None:
        calls.append(arn)
        if len(calls) > 2:
            raise MoveError("SQS cannot be asked: ReadTimeoutError", "ReadTimeoutError")
        return latest(arn)

    monkeypatch.setattr(moves, "latest", refuse)
    ended = run("dlq", "replay", "--all", "--native", "--yes")
    assert (ended.code, len(moves.asked)) == (1, 1)
    assert "the task continues" in ended.err
    assert "without --native" not in ended.err


def test_a_move_without_credentials_exits_with_4(
    moves: MemoryMoves, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A caller whose credentials SQS refuses exits with 4."""

    def refuse(_arn: str) -> MoveTask | None:
        refused = ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "ListMessageMoveTasks")
        raise MoveError("SQS refused", "AccessDenied") from refused

    monkeypatch.setattr(moves, "latest", refuse)
    ended = run("dlq", "replay", "--all", "--native", "--yes")
    assert ended.code == 4
