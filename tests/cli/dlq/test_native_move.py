"""`penstock dlq replay --native`: what is asked of SQS, and how the command ends."""

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
def stack(shop: Stack) -> Stack:
    """The deployed queues, in place of the whole service."""
    return shop


@pytest.fixture
def moves(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> MemoryMoves:
    """SQS's tasks in memory, in place of those that no local AWS has."""
    moves = MemoryMoves(25)
    monkeypatch.setattr("penstock.cli.dlq.native_move.SqsMoveTasks", lambda _client: moves)
    monkeypatch.setattr(native_move, "_POLL_SECONDS", 0)
    return moves


def recorded(stack: Stack) -> tuple[object, ...] | None:
    """Read the last operation that was recorded."""
    local = state.load(stack.folder)
    assert local
    with psycopg.connect(local.database_url) as connection:
        query = "SELECT action, outcome, counts FROM penstock.operation ORDER BY begun_at DESC LIMIT 1"
        return connection.execute(query).fetchone()


def test_all_are_moved_by_sqs(stack: Stack, moves: MemoryMoves, run: Run) -> None:
    """SQS is asked once for the stage's two queues, at the rate that was given; the move is on record."""
    ended = run("dlq", "replay", "--all", "--native", "--rate", "50", "--yes", "--json")
    assert (ended.code, ended.rows[0]["status"], ended.rows[0]["moved"]) == (0, "COMPLETED", 25)
    ((dead, main, rate),) = moves.asked
    assert (dead.split(":")[-1] != main.split(":")[-1], rate) == (True, 50)
    assert recorded(stack) == ("native-move", "done", {"moved": 25})


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
def test_what_sqs_cannot_do_is_refused(moves: MemoryMoves, run: Run, words: tuple[str, ...]) -> None:
    """SQS moves all or nothing: with anything finer the usage is wrong, and nothing is moved."""
    ended = run("dlq", "replay", "--native", "--yes", *words)
    assert (ended.code, moves.asked) == (2, [])


def test_a_move_under_way_is_a_conflict(stack: Stack, moves: MemoryMoves, run: Run) -> None:
    """While SQS is at it nothing is started: exit code 5."""
    moves.start("dead", "main", None)
    ended = run("dlq", "replay", "--all", "--native", "--yes")
    assert (ended.code, len(moves.asked)) == (5, 1)
    assert recorded(stack) == ("native-move", "failed", {})


def test_ctrl_c_cancels(
    stack: Stack,
    moves: MemoryMoves,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Pressed once, SQS is told to stop; what was moved stays moved and is counted: exit code 130."""
    look = moves.latest
    pressed: list[MoveTask] = []

    def press(arn: str) -> MoveTask | None:
        task = look(arn)
        if task and task.moved == 10 and not pressed:
            pressed.append(task)
            os.kill(os.getpid(), signal.SIGINT)
        return task

    monkeypatch.setattr(moves, "latest", press)
    ended = run("dlq", "replay", "--all", "--native", "--yes")
    assert ended.code == 130
    assert "cancelled after about" in ended.err
    assert 0 < moves.moved < 25
    assert recorded(stack) == ("native-move", "interrupted", {"moved": moves.moved})


def test_where_sqs_does_not_offer_it_the_way_out_is_told(
    moves: MemoryMoves,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An endpoint without the operation ends with 1, and names the replay that needs none."""

    def refuse(_arn: str) -> MoveTask | None:
        raise MoveNotOffered("no such operation", "InvalidAction")

    monkeypatch.setattr(moves, "latest", refuse)
    ended = run("dlq", "replay", "--all", "--native", "--yes")
    assert ended.code == 1
    assert "Without --native" in ended.err
    assert json.dumps(moves.asked) == "[]"


def test_a_move_that_cannot_be_followed_goes_on(
    moves: MemoryMoves, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where SQS cannot be asked after a task that has begun, nobody is sent to replay beside it."""
    look, looks = moves.latest, []

    def refuse(arn: str) -> MoveTask | None:
        looks.append(arn)
        if len(looks) > 2:
            raise MoveError("SQS cannot be asked: ReadTimeoutError", "ReadTimeoutError")
        return look(arn)

    monkeypatch.setattr(moves, "latest", refuse)
    ended = run("dlq", "replay", "--all", "--native", "--yes")
    assert (ended.code, len(moves.asked)) == (1, 1)
    assert "the task continues" in ended.err
    assert "Without --native" not in ended.err


def test_a_move_without_credentials_ends_as_such(
    moves: MemoryMoves, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A caller that SQS refuses gets the code of no or wrong credentials, as everywhere else."""

    def refuse(_arn: str) -> MoveTask | None:
        refused = ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "ListMessageMoveTasks")
        raise MoveError("SQS refused", "AccessDenied") from refused

    monkeypatch.setattr(moves, "latest", refuse)
    ended = run("dlq", "replay", "--all", "--native", "--yes")
    assert ended.code == 4
