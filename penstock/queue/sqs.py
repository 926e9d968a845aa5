"""The Amazon SQS queue, through botocore."""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from penstock.aws import aws_client, fail_fast_config
from penstock.queue.chunks import chunked
from penstock.queue.codec import INVALID_BODY, failed_entries, from_message, is_utf8, refusal_of, to_entry
from penstock.queue.interface import BEHIND_A_REFUSAL, NOT_ACKNOWLEDGED, Depth, QueueError, Refusal
from penstock.queue.message import BATCH_LIMIT, Outgoing, Received, message_batches
from penstock.queue.retries import BatchCall, Deadline, Numbered, call_batches, call_with_retry

if TYPE_CHECKING:
    import boto3
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.literals import QueueAttributeNameType

T = TypeVar("T")

THREADS = 16
"""The most calls that one `send`, `delete` or `change_visibility` makes at the same time."""

_CONNECTIONS = 2 * THREADS


def sqs_client(session: "boto3.Session | None" = None, endpoint_url: str | None = None) -> "SQSClient":
    """Make an SQS client that fails within seconds, because a caller waits for the response.

    If SQS does not respond, a call takes about 7 s: a function with a timeout of 10 s can still report the error.
    A receive must wait for less than the read timeout of 3 s.
    """
    config = fail_fast_config(
        read_timeout=3,
        max_pool_connections=_CONNECTIONS,
        # This module builds every parameter from strings. Validating each entry of a batch takes longer than
        # signing the request.
        parameter_validation=False,
    )
    if session:
        return session.client("sqs", config=config, endpoint_url=endpoint_url)
    made: SQSClient = aws_client("sqs", config, endpoint_url)
    return made


class SqsQueue:
    """One SQS queue; `penstock.queue.interface.Queue` documents the methods."""

    def __init__(
        self,
        url: str,
        client: "SQSClient | None" = None,
        *,
        timeout_seconds: float = 5.0,
        threads: int = THREADS,
    ) -> None:
        """Make the queue; this calls nothing.

        Args:
            url: the queue's URL.
            client: an SQS client of boto3 or botocore; by default one of `sqs_client`, made when it is needed: a
                drain whose intents all land calls SQS for nothing.
            timeout_seconds: for how many seconds further calls may start, both first calls and retries.
            threads: the most calls that one `send`, `delete` or `change_visibility` makes at the same time; a FIFO
                queue always makes one.
        """
        self.url = url
        self._given_client = client
        self._timeout = timeout_seconds
        self._threads = 1 if self.fifo else threads

    @property
    def fifo(self) -> bool:
        """Whether it is a FIFO queue: the name of a FIFO queue ends with `.fifo` (SQS: CreateQueue)."""
        return self.url.endswith(".fifo")

    def send(self, messages: Sequence[Outgoing], *, timeout_seconds: float | None = None) -> dict[int, Refusal]:
        """Send in as few calls as the limits allow, several at once; a retry sends the refused entries only."""
        if not messages:
            return {}
        refused = {i: INVALID_BODY for i, message in enumerate(messages) if not is_utf8(message.body)}
        # The client is made before the threads are, or each of them might make one.
        send, deadline = partial(self._send_batch, self._client), self._deadline(timeout_seconds)
        if self.fifo:
            return _send_in_order(send, messages, refused, deadline)
        batches = message_batches((i, message) for i, message in enumerate(messages) if i not in refused)
        refused |= call_batches(send, batches, deadline, threads=self._threads)
        return dict(sorted(refused.items()))

    def delete(
        self, receipt_handles: Sequence[str], *, timeout_seconds: float | None = None
    ) -> dict[int, Refusal]:
        """Delete in batches of ten, several at once; a retry takes the refused entries only."""
        return self._call_in_tens(self._delete_batch, receipt_handles, timeout_seconds)

    def change_visibility(
        self, leases: Sequence[tuple[str, int]], *, timeout_seconds: float | None = None
    ) -> dict[int, Refusal]:
        """Change in batches of ten, several at once; a retry takes the refused entries only."""
        return self._call_in_tens(self._change_visibility_batch, leases, timeout_seconds)

    def receive(self, limit: int, *, wait_seconds: int = 0, visibility_seconds: int = 30) -> list[Received]:
        """Lease up to `limit` messages in one call (SQS: ReceiveMessage)."""
        try:
            response = self._client.receive_message(
                QueueUrl=self.url,
                MaxNumberOfMessages=min(limit, BATCH_LIMIT),
                WaitTimeSeconds=wait_seconds,
                VisibilityTimeout=visibility_seconds,
                MessageAttributeNames=["All"],
                MessageSystemAttributeNames=["All"],
            )
        except (ClientError, BotoCoreError) as error:
            raise self._unreadable(error) from error
        return [from_message(message) for message in response.get("Messages", [])]

    def now(self) -> float:
        """Return the time of this machine."""
        return time.time()

    def retention_seconds(self) -> int:
        """Read how long the queue keeps a message (SQS: MessageRetentionPeriod)."""
        return int(self._attributes()["MessageRetentionPeriod"])

    def has_redrive_policy(self) -> bool:
        """Read whether the queue has a dead-letter queue (SQS: RedrivePolicy), as each queue that a drain reads.

        Raises:
            botocore.exceptions.ClientError: SQS refused the call.
            botocore.exceptions.BotoCoreError: SQS cannot be reached.
        """
        response = self._client.get_queue_attributes(QueueUrl=self.url, AttributeNames=["RedrivePolicy"])
        return "RedrivePolicy" in response.get("Attributes", {})

    def depth(self) -> Depth:
        """Read the three approximate counts (SQS: GetQueueAttributes)."""
        attributes = self._attributes()
        return Depth(
            visible=int(attributes["ApproximateNumberOfMessages"]),
            in_flight=int(attributes["ApproximateNumberOfMessagesNotVisible"]),
            delayed=int(attributes["ApproximateNumberOfMessagesDelayed"]),
        )

    def _attributes(self) -> "Mapping[QueueAttributeNameType, str]":
        try:
            response = self._client.get_queue_attributes(QueueUrl=self.url, AttributeNames=["All"])
        except (ClientError, BotoCoreError) as error:
            raise self._unreadable(error) from error
        return response["Attributes"]

    def _unreadable(self, error: ClientError | BotoCoreError) -> QueueError:
        return QueueError(f"the queue {self.url} cannot be read: {refusal_of(error).code}")

    def _call_in_tens(
        self,
        call: "Callable[[SQSClient, Numbered[T]], dict[int, Refusal]]",
        items: Sequence[T],
        timeout_seconds: float | None,
    ) -> dict[int, Refusal]:
        if not items:
            return {}
        batches = chunked(enumerate(items), BATCH_LIMIT)
        deadline = self._deadline(timeout_seconds)
        return call_batches(partial(call, self._client), batches, deadline, threads=self._threads)

    @cached_property
    def _client(self) -> "SQSClient":
        return self._given_client or sqs_client()

    def _deadline(self, timeout_seconds: float | None) -> Deadline:
        return Deadline.after(self._timeout if timeout_seconds is None else timeout_seconds)

    def _send_batch(self, client: "SQSClient", batch: Numbered[Outgoing]) -> dict[int, Refusal]:
        entries = [to_entry(index, message) for index, message in batch]
        response = client.send_message_batch(QueueUrl=self.url, Entries=entries)
        # A message counts as sent only if SQS lists it as successful: it is not enough that SQS does not list it
        # as failed.
        sent = {int(entry["Id"]) for entry in response.get("Successful", [])}
        not_sent = {index: NOT_ACKNOWLEDGED for index, _ in batch if index not in sent}
        return not_sent | failed_entries(response)

    def _delete_batch(self, client: "SQSClient", batch: Numbered[str]) -> dict[int, Refusal]:
        return failed_entries(
            client.delete_message_batch(
                QueueUrl=self.url,
                Entries=[{"Id": str(index), "ReceiptHandle": handle} for index, handle in batch],
            )
        )

    def _change_visibility_batch(
        self, client: "SQSClient", batch: Numbered[tuple[str, int]]
    ) -> dict[int, Refusal]:
        return failed_entries(
            client.change_message_visibility_batch(
                QueueUrl=self.url,
                Entries=[
                    {"Id": str(index), "ReceiptHandle": handle, "VisibilityTimeout": seconds}
                    for index, (handle, seconds) in batch
                ],
            )
        )


def _send_in_order(
    send: BatchCall[Outgoing], messages: Sequence[Outgoing], invalid: dict[int, Refusal], deadline: Deadline
) -> dict[int, Refusal]:
    """Send one batch after another. After the first refusal in a group, send nothing more of that group."""
    refused: dict[int, Refusal] = {}
    blocked: set[str | None] = set()
    for batch in message_batches(enumerate(messages), ordered=True):
        held = {i: invalid.get(i, BEHIND_A_REFUSAL) for i, m in batch if i in invalid or m.group in blocked}
        free = [(i, message) for i, message in batch if i not in held]
        refused |= held | (call_with_retry(send, free, deadline) if free else {})
        blocked |= {message.group for i, message in batch if i in refused}
    return refused
