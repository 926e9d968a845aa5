"""The queue in earnest: Amazon SQS through boto3."""

import random
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError
from botocore.session import get_session

from penstock.queue.interface import (
    BEHIND_A_REFUSAL,
    DEADLINE_EXCEEDED,
    NOT_ACKNOWLEDGED,
    Depth,
    QueueError,
    Refusal,
)
from penstock.queue.message import BATCH_LIMIT, Attribute, Outgoing, Received, chunks

if TYPE_CHECKING:
    import boto3
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import (
        MessageAttributeValueOutputTypeDef,
        MessageAttributeValueTypeDef,
        MessageTypeDef,
        SendMessageBatchRequestEntryTypeDef,
    )

T = TypeVar("T")

_FIRST_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 1.0


SEND_THREADS = 16
"""How many calls one `send` has under way at most."""

_CONNECTIONS = 2 * SEND_THREADS


def sqs_client(session: "boto3.Session | None" = None, endpoint_url: str | None = None) -> "SQSClient":
    """Make an SQS client that gives up within seconds: a caller is waiting for the answer.

    A call to a server that says nothing takes about 7 s, which a function of 10 s can still tell of. A receive may
    wait for less than the read timeout of 3 s only.
    """
    config = Config(
        connect_timeout=1,
        read_timeout=3,
        retries={"mode": "standard", "total_max_attempts": 2},
        max_pool_connections=_CONNECTIONS,
        # Every parameter is built here, of texts; checking each entry of a batch takes longer than signing it.
        parameter_validation=False,
    )
    if session:
        return session.client("sqs", config=config, endpoint_url=endpoint_url)
    # As boto3 makes it, without boto3: its import brings S3's transfers along, half of the time that it takes.
    client: Any = get_session().create_client("sqs", config=config, endpoint_url=endpoint_url)
    return client  # type: ignore[no-any-return]


class SqsQueue:
    """One SQS queue; see `penstock.queue.interface.Queue` for what its methods promise."""

    def __init__(
        self,
        url: str,
        client: "SQSClient | None" = None,
        *,
        patience_seconds: float = 5.0,
        send_threads: int = SEND_THREADS,
    ) -> None:
        """Take the queue's URL.

        Args:
            url: the queue's URL.
            client: an SQS client of boto3's or botocore's; by default one of `sqs_client`.
            patience_seconds: for how long further calls are begun, be it for more entries or for refused ones.
            send_threads: how many calls one `send` may have under way; on a FIFO queue it has one.
        """
        self.url = url
        self._client = client or sqs_client()
        self._patience = patience_seconds
        self._send_threads = 1 if self.fifo else send_threads

    @property
    def fifo(self) -> bool:
        """Whether it is a FIFO queue: the name of each ends with `.fifo` (SQS: CreateQueue)."""
        return self.url.endswith(".fifo")

    def send(self, messages: Sequence[Outgoing], *, patience_seconds: float | None = None) -> dict[int, Refusal]:
        """Send in as few calls as the limits allow, several at once; only refused entries are sent again."""
        refused = {i: _NO_TEXT for i, message in enumerate(messages) if not _is_text(message.body)}
        if self.fifo:
            return self._in_order(messages, refused, self._begin(patience_seconds))
        cut = chunks((i, message) for i, message in enumerate(messages) if i not in refused)
        refused |= self._in_chunks(self._send_chunk, cut, patience_seconds, self._send_threads)
        return dict(sorted(refused.items()))

    def delete(
        self, receipt_handles: Sequence[str], *, patience_seconds: float | None = None
    ) -> dict[int, Refusal]:
        """Delete in batches of ten; only refused entries are tried again."""
        return self._in_chunks(self._delete_chunk, _tens(receipt_handles), patience_seconds)

    def change_visibility(
        self, leases: Sequence[tuple[str, int]], *, patience_seconds: float | None = None
    ) -> dict[int, Refusal]:
        """Change in batches of ten; only refused entries are tried again."""
        return self._in_chunks(self._change_chunk, _tens(leases), patience_seconds)

    def receive(self, limit: int, *, wait_seconds: int = 0, visibility_seconds: int = 30) -> list[Received]:
        """Lease up to `limit` messages in one call (SQS: ReceiveMessage)."""
        try:
            answer = self._client.receive_message(
                QueueUrl=self.url,
                MaxNumberOfMessages=min(limit, BATCH_LIMIT),
                WaitTimeSeconds=wait_seconds,
                VisibilityTimeout=visibility_seconds,
                MessageAttributeNames=["All"],
                MessageSystemAttributeNames=["All"],
            )
        except (ClientError, BotoCoreError) as error:
            raise self._unreadable(error) from error
        return [_received(message) for message in answer.get("Messages", [])]

    def depth(self) -> Depth:
        """Ask for the three approximate counts (SQS: GetQueueAttributes)."""
        try:
            found = self._client.get_queue_attributes(QueueUrl=self.url, AttributeNames=["All"])["Attributes"]
        except (ClientError, BotoCoreError) as error:
            raise self._unreadable(error) from error
        return Depth(
            visible=int(found["ApproximateNumberOfMessages"]),
            in_flight=int(found["ApproximateNumberOfMessagesNotVisible"]),
            delayed=int(found["ApproximateNumberOfMessagesDelayed"]),
        )

    def _unreadable(self, error: ClientError | BotoCoreError) -> QueueError:
        return QueueError(f"the queue {self.url} cannot be read: {refusal(error).code}")

    def _in_chunks(
        self,
        call: "Callable[[list[tuple[int, T]]], dict[int, Refusal]]",
        numbered_chunks: Iterable[list[tuple[int, T]]],
        patience_seconds: float | None,
        threads: int = 1,
    ) -> dict[int, Refusal]:
        """Call for chunk after chunk, as long as there is time and somebody answers."""
        refused: dict[int, Refusal] = {}
        patience = self._begin(patience_seconds)
        waiting = deque(numbered_chunks)

        def work() -> None:
            while waiting:
                try:
                    chunk = waiting.popleft()
                except IndexError:  # Another thread was faster.
                    return
                refused.update(_served(call, chunk, patience))

        _at_once(work, min(threads, len(waiting)))
        return refused

    def _in_order(
        self, messages: Sequence[Outgoing], hopeless: dict[int, Refusal], patience: "_Patience"
    ) -> dict[int, Refusal]:
        """Send one call after another, and nothing of a group any more once a message of it is refused."""
        refused: dict[int, Refusal] = {}
        stuck: set[str | None] = set()
        for chunk in chunks(enumerate(messages), ordered=True):
            held = {i: hopeless.get(i, BEHIND_A_REFUSAL) for i, m in chunk if i in hopeless or m.group in stuck}
            free = [(i, message) for i, message in chunk if i not in held]
            refused |= held | (_served(self._send_chunk, free, patience) if free else {})
            stuck |= {message.group for i, message in chunk if i in refused}
        return refused

    def _begin(self, patience_seconds: float | None) -> "_Patience":
        return _Patience(time.monotonic() + (self._patience if patience_seconds is None else patience_seconds))

    def _send_chunk(self, chunk: list[tuple[int, Outgoing]]) -> dict[int, Refusal]:
        entries = [_entry(index, message) for index, message in chunk]
        answer = self._client.send_message_batch(QueueUrl=self.url, Entries=entries)
        # Kept is what SQS says it has, not what it does not say it refused.
        kept = {int(entry["Id"]) for entry in answer.get("Successful", [])}
        unsaid = {index: NOT_ACKNOWLEDGED for index, _ in chunk if index not in kept}
        return unsaid | _failures(answer)

    def _delete_chunk(self, chunk: list[tuple[int, str]]) -> dict[int, Refusal]:
        return _failures(
            self._client.delete_message_batch(
                QueueUrl=self.url,
                Entries=[{"Id": str(index), "ReceiptHandle": handle} for index, handle in chunk],
            )
        )

    def _change_chunk(self, chunk: list[tuple[int, tuple[str, int]]]) -> dict[int, Refusal]:
        return _failures(
            self._client.change_message_visibility_batch(
                QueueUrl=self.url,
                Entries=[
                    {"Id": str(index), "ReceiptHandle": handle, "VisibilityTimeout": seconds}
                    for index, (handle, seconds) in chunk
                ],
            )
        )


def _at_once(work: Callable[[], None], threads: int) -> None:
    """Do the work in so many threads; where one will do, in none but the caller's."""
    if threads <= 1:
        work()
        return
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 (most functions never send that many)

    # Threads of this call alone: none survives it, be it a fork of the process or a freeze of the function.
    with ThreadPoolExecutor(threads - 1, thread_name_prefix="penstock-send") as pool:
        others = [pool.submit(work) for _ in range(threads - 1)]
        work()
        for other in others:
            other.result()


@dataclass(slots=True)
class _Patience:
    """How long one request may go on.

    Attributes:
        deadline: when no call is begun any more, by the monotonic clock.
        silence: how the queue failed to answer at all; then no call is begun any more either.
    """

    deadline: float
    silence: Refusal | None = None

    def ended(self, pause: float = 0) -> Refusal | None:
        """Return why no call may be begun after a pause, in seconds; None if one may."""
        late = time.monotonic() + pause >= self.deadline
        return self.silence or (DEADLINE_EXCEEDED if late else None)


def _tens(things: Sequence[T]) -> Iterable[list[tuple[int, T]]]:
    """Number things and cut them into batches of ten."""
    numbered = list(enumerate(things))
    return (numbered[start : start + BATCH_LIMIT] for start in range(0, len(numbered), BATCH_LIMIT))


def _served(
    call: Callable[[list[tuple[int, T]]], dict[int, Refusal]], chunk: list[tuple[int, T]], patience: _Patience
) -> dict[int, Refusal]:
    ended = patience.ended()
    return {i: ended for i, _ in chunk} if ended else _persistently(call, chunk, patience)


def _persistently(
    call: Callable[[list[tuple[int, T]]], dict[int, Refusal]], chunk: list[tuple[int, T]], patience: _Patience
) -> dict[int, Refusal]:
    """Call for a chunk, then for its retryable refusals alone, with full jitter, until patience ends."""
    refused = _attempt(call, chunk, patience)
    pause = _FIRST_PAUSE_SECONDS
    while _again(refused) and not patience.ended(pause):
        time.sleep(random.uniform(0, pause))  # noqa: S311 (jitter is no secret)
        pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
        again = _again(refused)
        refused = {i: r for i, r in refused.items() if i not in again}
        refused |= _attempt(call, [(i, thing) for i, thing in chunk if i in again], patience)
    return refused


def _again(refused: dict[int, Refusal]) -> set[int]:
    return {index for index, refusal in refused.items() if refusal.retryable}


def _attempt(
    call: Callable[[list[tuple[int, T]]], dict[int, Refusal]], chunk: list[tuple[int, T]], patience: _Patience
) -> dict[int, Refusal]:
    try:
        return call(chunk)
    except (ClientError, ParamValidationError) as error:
        return {index: refusal(error) for index, _ in chunk}
    except BotoCoreError as error:
        # Nobody answers, or nobody lets us ask. The next chunk would wait as long for the same.
        patience.silence = refusal(error)
        return {index: patience.silence for index, _ in chunk}


def refusal(error: ClientError | BotoCoreError) -> Refusal:
    """Say why a whole call failed: SQS's error code, or the name of botocore's error."""
    if not isinstance(error, ClientError):
        # botocore has already tried again; what is wrong between here and SQS outlasts our patience.
        return Refusal(type(error).__name__, retryable=False)
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    code = error.response.get("Error", {}).get("Code", "Unknown")
    return Refusal(code, retryable=status >= _SERVER_ERROR or "Throttl" in code)


_SERVER_ERROR = 500
_NO_TEXT = Refusal("InvalidMessageContents", retryable=False)


def _is_text(body: str) -> bool:
    """Tell whether a body can be written in UTF-8: a lone surrogate cannot, and would take its chunk along."""
    try:
        body.encode()
    except UnicodeEncodeError:
        return False
    return True


def _failures(answer: Any) -> dict[int, Refusal]:
    """Read the entries of a batch that failed although the call answered 200."""
    failed = answer.get("Failed", [])
    return {int(entry["Id"]): Refusal(entry["Code"], retryable=not entry["SenderFault"]) for entry in failed}


def _entry(index: int, message: Outgoing) -> "SendMessageBatchRequestEntryTypeDef":
    entry: SendMessageBatchRequestEntryTypeDef = {"Id": str(index), "MessageBody": message.body}
    if message.attributes:
        entry["MessageAttributes"] = {name: _to_sqs(value) for name, value in message.attributes.items()}
    if message.group is not None:
        entry["MessageGroupId"] = message.group
    if message.deduplication_id is not None:
        entry["MessageDeduplicationId"] = message.deduplication_id
    if message.trace is not None:
        entry["MessageSystemAttributes"] = {"AWSTraceHeader": {"DataType": "String", "StringValue": message.trace}}
    return entry


def _received(message: "MessageTypeDef") -> Received:
    system = message.get("Attributes", {})
    return Received(
        message_id=message["MessageId"],
        receipt_handle=message["ReceiptHandle"],
        body=message["Body"],
        attributes={name: _from_sqs(value) for name, value in message.get("MessageAttributes", {}).items()},
        receive_count=int(system.get("ApproximateReceiveCount", 1)),
        first_received_at=int(system.get("ApproximateFirstReceiveTimestamp", 0)) / 1000,
        sent_at=int(system.get("SentTimestamp", 0)) / 1000,
        group=system.get("MessageGroupId"),
    )


def _to_sqs(attribute: Attribute) -> "MessageAttributeValueTypeDef":
    if isinstance(attribute.value, bytes):
        return {"DataType": attribute.type, "BinaryValue": attribute.value}
    return {"DataType": attribute.type, "StringValue": attribute.value}


def _from_sqs(value: "MessageAttributeValueOutputTypeDef") -> Attribute:
    return Attribute(value["BinaryValue"] if "BinaryValue" in value else value["StringValue"], value["DataType"])
