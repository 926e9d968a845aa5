"""The queue in earnest: Amazon SQS through botocore."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from penstock.aws import aws_client, in_haste
from penstock.queue.codec import NO_TEXT, entry_of, failures, is_text, received, refusal_of
from penstock.queue.interface import BEHIND_A_REFUSAL, NOT_ACKNOWLEDGED, Depth, QueueError, Refusal
from penstock.queue.message import BATCH_LIMIT, Outgoing, Received, chunks
from penstock.queue.retries import Deadline, chunked, in_chunks, served

if TYPE_CHECKING:
    import boto3
    from mypy_boto3_sqs import SQSClient

THREADS = 16
"""How many calls one `send`, `delete` or `change_visibility` has under way at most."""

_CONNECTIONS = 2 * THREADS


def sqs_client(session: "boto3.Session | None" = None, endpoint_url: str | None = None) -> "SQSClient":
    """Make an SQS client that gives up within seconds: a caller is waiting for the answer.

    A call to a server that says nothing takes about 7 s, which a function of 10 s can still tell of. A receive may
    wait for less than the read timeout of 3 s only.
    """
    config = in_haste(
        read_timeout=3,
        max_pool_connections=_CONNECTIONS,
        # Every parameter is built here, of texts; checking each entry of a batch takes longer than signing it.
        parameter_validation=False,
    )
    if session:
        return session.client("sqs", config=config, endpoint_url=endpoint_url)
    made: SQSClient = aws_client("sqs", config, endpoint_url)
    return made


class SqsQueue:
    """One SQS queue; see `penstock.queue.interface.Queue` for what its methods promise."""

    def __init__(
        self,
        url: str,
        client: "SQSClient | None" = None,
        *,
        timeout_seconds: float = 5.0,
        threads: int = THREADS,
    ) -> None:
        """Take the queue's URL.

        Args:
            url: the queue's URL.
            client: an SQS client of boto3's or botocore's; by default one of `sqs_client`.
            timeout_seconds: for how long further calls are begun, be it for more entries or for refused ones.
            threads: how many calls one `send`, `delete` or `change_visibility` has under way at most; on a FIFO
                queue one.
        """
        self.url = url
        self._client = client or sqs_client()
        self._patience = timeout_seconds
        self._threads = 1 if self.fifo else threads

    @property
    def fifo(self) -> bool:
        """Whether it is a FIFO queue: the name of each ends with `.fifo` (SQS: CreateQueue)."""
        return self.url.endswith(".fifo")

    def send(self, messages: Sequence[Outgoing], *, timeout_seconds: float | None = None) -> dict[int, Refusal]:
        """Send in as few calls as the limits allow, several at once; only refused entries are sent again."""
        refused = {i: NO_TEXT for i, message in enumerate(messages) if not is_text(message.body)}
        if self.fifo:
            return self._in_order(messages, refused, self._begin(timeout_seconds))
        cut = chunks((i, message) for i, message in enumerate(messages) if i not in refused)
        refused |= in_chunks(self._send_chunk, cut, self._begin(timeout_seconds), threads=self._threads)
        return dict(sorted(refused.items()))

    def delete(
        self, receipt_handles: Sequence[str], *, timeout_seconds: float | None = None
    ) -> dict[int, Refusal]:
        """Delete in batches of ten, several at once; only refused entries are tried again."""
        patience = self._begin(timeout_seconds)
        return in_chunks(self._delete_chunk, chunked(receipt_handles), patience, threads=self._threads)

    def change_visibility(
        self, leases: Sequence[tuple[str, int]], *, timeout_seconds: float | None = None
    ) -> dict[int, Refusal]:
        """Change in batches of ten, several at once; only refused entries are tried again."""
        patience = self._begin(timeout_seconds)
        return in_chunks(self._change_chunk, chunked(leases), patience, threads=self._threads)

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
        return [received(message) for message in answer.get("Messages", [])]

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
        return QueueError(f"the queue {self.url} cannot be read: {refusal_of(error).code}")

    def _in_order(
        self, messages: Sequence[Outgoing], hopeless: dict[int, Refusal], patience: Deadline
    ) -> dict[int, Refusal]:
        """Send one call after another, and nothing of a group any more once a message of it is refused."""
        refused: dict[int, Refusal] = {}
        stuck: set[str | None] = set()
        for chunk in chunks(enumerate(messages), ordered=True):
            held = {i: hopeless.get(i, BEHIND_A_REFUSAL) for i, m in chunk if i in hopeless or m.group in stuck}
            free = [(i, message) for i, message in chunk if i not in held]
            refused |= held | (served(self._send_chunk, free, patience) if free else {})
            stuck |= {message.group for i, message in chunk if i in refused}
        return refused

    def _begin(self, timeout_seconds: float | None) -> Deadline:
        return Deadline(time.monotonic() + (self._patience if timeout_seconds is None else timeout_seconds))

    def _send_chunk(self, chunk: list[tuple[int, Outgoing]]) -> dict[int, Refusal]:
        entries = [entry_of(index, message) for index, message in chunk]
        answer = self._client.send_message_batch(QueueUrl=self.url, Entries=entries)
        # Kept is what SQS says it has, not what it does not say it refused.
        kept = {int(entry["Id"]) for entry in answer.get("Successful", [])}
        unsaid = {index: NOT_ACKNOWLEDGED for index, _ in chunk if index not in kept}
        return unsaid | failures(answer)

    def _delete_chunk(self, chunk: list[tuple[int, str]]) -> dict[int, Refusal]:
        return failures(
            self._client.delete_message_batch(
                QueueUrl=self.url,
                Entries=[{"Id": str(index), "ReceiptHandle": handle} for index, handle in chunk],
            )
        )

    def _change_chunk(self, chunk: list[tuple[int, tuple[str, int]]]) -> dict[int, Refusal]:
        return failures(
            self._client.change_message_visibility_batch(
                QueueUrl=self.url,
                Entries=[
                    {"Id": str(index), "ReceiptHandle": handle, "VisibilityTimeout": seconds}
                    for index, (handle, seconds) in chunk
                ],
            )
        )
