"""SQS's own redrive: how a task is started, followed and cancelled, and the requests to SQS."""

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from botocore.stub import Stubber

from penstock.deadletters.replay.move_tasks import (
    MoveConflict,
    MoveError,
    MoveNotOffered,
    MoveTask,
    SqsMoveTasks,
)
from penstock.deadletters.replay.native_move import Moved, move
from penstock.queue import sqs_client
from tests.support.moves import MemoryMoves
from tests.support.project import SESSION

DEAD, MAIN = "arn:aws:sqs:eu-central-1:1:dead", "arn:aws:sqs:eu-central-1:1:main"


def follow(moves: MemoryMoves, rate: int | None = None, cancelled: Callable[[], bool] = lambda: False) -> Any:
    seen: list[MoveTask] = []
    moved = move(moves, DEAD, MAIN, rate=rate, on_progress=seen.append, cancelled=cancelled, pause=lambda: None)
    return moved, seen


def test_all_is_moved_and_followed() -> None:
    """Every dead letter is moved to the main queue, and progress is reported up to the end."""
    moves = MemoryMoves(25)
    moved, seen = follow(moves, 50)
    assert moved == Moved("COMPLETED", 25, 25, None)
    assert (moves.messages, moves.moved, moves.asked) == (0, 25, [(DEAD, MAIN, 50)])
    assert [task.moved for task in seen] == [10, 20, 25, 25]
    assert {task.to_move for task in seen} == {25}


def test_nothing_to_move_is_soon_done() -> None:
    """An empty dead-letter queue is no fault."""
    assert follow(MemoryMoves(0))[0] == Moved("COMPLETED", 0, 0, None)


def test_one_task_at_a_time() -> None:
    """While a task is running, another one is a conflict, and nothing is started."""
    moves = MemoryMoves(100)
    moves.start(DEAD, MAIN, None)
    with pytest.raises(MoveConflict):
        follow(moves)
    assert len(moves.asked) == 1


def test_a_task_that_another_client_started_at_the_same_time_is_a_conflict(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A task that another client starts between check and start is the same conflict, whatever SQS's code."""
    moves = MemoryMoves(100)
    start = moves.start

    def beaten(*words: Any) -> None:
        start(*words)
        start(*words)

    monkeypatch.setattr(moves, "start", beaten)
    with pytest.raises(MoveConflict):
        follow(moves)


def test_an_earlier_task_is_not_taken_for_this_one() -> None:
    """SQS lists a new task after a delay; until then the previous task is not taken for it."""
    moves = MemoryMoves(10, unseen=4)
    follow(moves)
    moves.messages = 30
    assert follow(moves)[0] == Moved("COMPLETED", 30, 30, None)


def test_a_task_that_is_never_listed_is_an_error() -> None:
    """Following ends with an error if SQS never lists the task that it accepted."""
    with pytest.raises(MoveError) as raised:
        follow(MemoryMoves(10, unseen=1000))
    assert raised.value.code == "NotListed"


def test_a_task_can_be_stopped() -> None:
    """A cancelled task stops, its moved messages stay moved, and it is cancelled only once."""
    moves = MemoryMoves(100)
    moved, seen = follow(moves, cancelled=lambda: moves.moved >= 20)
    assert moved == Moved("CANCELLED", 20, 100, None)
    assert (moves.messages, moves.moved) == (80, 20)
    assert [task.status for task in seen][-2:] == ["RUNNING", "CANCELLED"]


def test_a_task_that_ends_before_it_is_stopped_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cancellation that comes too late changes nothing."""
    moves = MemoryMoves(10)

    def late(_handle: str) -> None:
        raise MoveError("too late", "ResourceNotFoundException")

    monkeypatch.setattr(moves, "cancel", late)
    assert follow(moves, cancelled=lambda: True)[0].status == "COMPLETED"


def test_a_failure_is_returned_with_its_reason() -> None:
    """The result of a failed task has the reason and the number of moved messages."""
    moved, _ = follow(MemoryMoves(100, failure="AWS.SimpleQueueService.NonExistentQueue"))
    assert moved == Moved("FAILED", 10, 100, "AWS.SimpleQueueService.NonExistentQueue")


@pytest.mark.parametrize("rate", [0, -1, 501])
def test_a_rate_out_of_bounds_starts_nothing(rate: int) -> None:
    """SQS takes 1 to 500 messages per second."""
    moves = MemoryMoves(1)
    with pytest.raises(ValueError, match="1 to 500"):
        follow(moves, rate)
    assert moves.asked == []


@pytest.fixture
def stubbed() -> Iterator[tuple[Stubber, SqsMoveTasks]]:
    """An SQS client with prepared answers, which fails on any other request."""
    with closing(SESSION.client("sqs")) as client, Stubber(client) as stubber:
        yield stubber, SqsMoveTasks(client)
        stubber.assert_no_pending_responses()


def test_requests_to_sqs(stubbed: tuple[Stubber, SqsMoveTasks]) -> None:
    """The parameters and answers are those of SQS's API."""
    stub, moves = stubbed
    entry = {
        "TaskHandle": "handle",
        "Status": "RUNNING",
        "SourceArn": DEAD,
        "DestinationArn": MAIN,
        "MaxNumberOfMessagesPerSecond": 7,
        "ApproximateNumberOfMessagesMoved": 3,
        "ApproximateNumberOfMessagesToMove": 9,
        "StartedTimestamp": 1_800_000_000_000,
    }
    start = {"SourceArn": DEAD, "DestinationArn": MAIN}
    stub.add_response(
        "start_message_move_task", {"TaskHandle": "handle"}, start | {"MaxNumberOfMessagesPerSecond": 7}
    )
    stub.add_response("start_message_move_task", {"TaskHandle": "handle"}, start)
    look = {"SourceArn": DEAD, "MaxResults": 1}
    stub.add_response("list_message_move_tasks", {"Results": [entry]}, look)
    stub.add_response("list_message_move_tasks", {"Results": []}, look)
    failed = {"Status": "FAILED", "FailureReason": "AccessDenied", "StartedTimestamp": 1}
    stub.add_response("list_message_move_tasks", {"Results": [failed]}, look)
    stub.add_response(
        "cancel_message_move_task", {"ApproximateNumberOfMessagesMoved": 3}, {"TaskHandle": "handle"}
    )
    moves.start(DEAD, MAIN, 7)
    moves.start(DEAD, MAIN, None)
    assert moves.latest(DEAD) == MoveTask("RUNNING", 1_800_000_000_000, 3, 9, "handle", None)
    assert moves.latest(DEAD) is None
    assert moves.latest(DEAD) == MoveTask("FAILED", 1, 0, None, None, "AccessDenied")
    moves.cancel("handle")


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("UnsupportedOperation", 400, MoveNotOffered),
        ("AWS.SimpleQueueService.UnsupportedOperation", 400, MoveNotOffered),
        ("InvalidAction", 400, MoveNotOffered),
        ("404", 404, MoveNotOffered),
        ("ResourceNotFoundException", 400, MoveError),
        ("RequestThrottled", 400, MoveError),
        ("AccessDenied", 403, MoveError),
    ],
)
def test_a_refusal_has_its_kind(
    stubbed: tuple[Stubber, SqsMoveTasks], code: str, status: int, kind: type[MoveError]
) -> None:
    """A refusal has SQS's code, and an operation that is not offered has an error class of its own."""
    stub, moves = stubbed
    stub.add_client_error("list_message_move_tasks", code, "because", status)
    with pytest.raises(MoveError, match="because") as raised:
        move(moves, DEAD, MAIN, pause=lambda: None)
    assert (type(raised.value), raised.value.code) == (kind, code.rpartition(".")[2])


def test_an_endpoint_that_is_away_is_a_move_error() -> None:
    """A failed connection is a `MoveError` with the name of botocore's error."""
    with closing(sqs_client(SESSION, "http://127.0.0.1:1")) as client, pytest.raises(MoveError) as raised:
        SqsMoveTasks(client).latest(DEAD)
    assert raised.value.code == "EndpointConnectionError"


def test_an_endpoint_without_the_operation_is_not_offered(local_aws_endpoint: str) -> None:
    """An emulator without the operation raises `MoveNotOffered`."""
    with closing(sqs_client(SESSION, local_aws_endpoint)) as client, pytest.raises(MoveNotOffered):
        SqsMoveTasks(client).latest(DEAD)
