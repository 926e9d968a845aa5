"""SQS's message move tasks: their errors, and how to start, read and cancel them through botocore."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

_ENDED: Final = {"COMPLETED", "CANCELLED", "FAILED"}
_NOT_OFFERED: Final = {"UnsupportedOperation", "InvalidAction", "UnknownOperationException", "404", "501"}


class MoveError(Exception):
    """SQS refused a request, or cannot be reached; a task that has been started continues.

    Attributes:
        code: SQS's error code, or the name of botocore's error.
    """

    def __init__(self, text: str, code: str) -> None:
        super().__init__(text)
        self.code = code


class MoveConflict(MoveError):
    """Another task is running: SQS allows one at a time for each queue."""


class MoveNotOffered(MoveError):
    """The operation is not available: the queue is no dead-letter queue of another, or the endpoint is not AWS."""


@dataclass(frozen=True, slots=True)
class MoveTask:
    """A task, as SQS lists it.

    Attributes:
        status: `RUNNING`, `CANCELLING`, `CANCELLED`, `COMPLETED` or `FAILED`.
        started: when it was started, in milliseconds since the epoch.
        moved: how many messages it has moved, approximately.
        to_move: how many there were at its start; None if SQS does not report it yet.
        handle: the handle to cancel it with; None unless it is running.
        failure: why it failed.
    """

    status: str
    started: int
    moved: int
    to_move: int | None = None
    handle: str | None = None
    failure: str | None = None

    @property
    def is_over(self) -> bool:
        """Whether it has ended, so that it moves nothing more."""
        return self.status in _ENDED


class MoveTasks(Protocol):
    """SQS's message move tasks; each method raises `MoveError` if SQS refuses or cannot be reached."""

    def start(self, dead_arn: str, main_arn: str, rate: int | None) -> None:
        """Start moving all messages, at `rate` messages per second; None leaves the rate to SQS."""

    def latest(self, dead_arn: str) -> MoveTask | None:
        """Return the task of this queue that was started last."""

    def cancel(self, handle: str) -> None:
        """Cancel a running task. Messages that it has moved stay moved."""


class SqsMoveTasks:
    """The tasks of Amazon SQS, through botocore; see `MoveTasks`."""

    def __init__(self, client: "SQSClient") -> None:
        """Take a client, as `penstock.queue.sqs_client` creates it."""
        self._client = client

    def start(self, dead_arn: str, main_arn: str, rate: int | None) -> None:
        """Start a task (SQS: StartMessageMoveTask)."""
        limit: Any = {} if rate is None else {"MaxNumberOfMessagesPerSecond": rate}
        with _translate_errors():
            self._client.start_message_move_task(SourceArn=dead_arn, DestinationArn=main_arn, **limit)

    def latest(self, dead_arn: str) -> MoveTask | None:
        """Return the latest task (SQS: ListMessageMoveTasks)."""
        with _translate_errors():
            answer = self._client.list_message_move_tasks(SourceArn=dead_arn, MaxResults=1)
        tasks: list[Any] = list(answer.get("Results", []))
        return _parse_task(tasks[0]) if tasks else None

    def cancel(self, handle: str) -> None:
        """Cancel a task (SQS: CancelMessageMoveTask)."""
        with _translate_errors():
            self._client.cancel_message_move_task(TaskHandle=handle)


def _parse_task(entry: Any) -> MoveTask:
    return MoveTask(
        status=entry["Status"],
        started=entry.get("StartedTimestamp", 0),
        moved=entry.get("ApproximateNumberOfMessagesMoved", 0),
        to_move=entry.get("ApproximateNumberOfMessagesToMove"),
        handle=entry.get("TaskHandle"),
        failure=entry.get("FailureReason"),
    )


@contextmanager
def _translate_errors() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        raise _refusal(error.response) from error
    except BotoCoreError as error:
        raise MoveError(f"SQS cannot be reached: {type(error).__name__}", type(error).__name__) from error


def _refusal(answer: Any) -> MoveError:
    """Return the error for SQS's answer; SQS's codes come with and without a prefix ("AWS.SimpleQueueService")."""
    code = str(answer.get("Error", {}).get("Code", "Unknown")).split(".")[-1]
    text = answer.get("Error", {}).get("Message") or "no reason given"
    if code in _NOT_OFFERED:
        return MoveNotOffered(f"SQS does not move messages from this queue ({code}): {text}", code)
    return MoveError(f"SQS refused ({code}): {text}", code)
