"""The queue between the two sides: its interface, its limits, and Amazon SQS behind it."""

from penstock.queue.bucket import own_payloads
from penstock.queue.interface import (
    BEHIND_A_REFUSAL,
    DEADLINE_EXCEEDED,
    NOT_ACKNOWLEDGED,
    Depth,
    Queue,
    QueueError,
    Refusal,
)
from penstock.queue.message import (
    ATTRIBUTE_LIMIT,
    BATCH_LIMIT,
    GROUP_PATTERN,
    MESSAGE_LIMIT_BYTES,
    Attribute,
    Outgoing,
    Received,
    chunks,
    group_of,
)
from penstock.queue.payloads import Payloads, new_key, reference_to
from penstock.queue.sqs import SqsQueue, sqs_client

__all__ = [
    "ATTRIBUTE_LIMIT",
    "BATCH_LIMIT",
    "BEHIND_A_REFUSAL",
    "DEADLINE_EXCEEDED",
    "GROUP_PATTERN",
    "MESSAGE_LIMIT_BYTES",
    "NOT_ACKNOWLEDGED",
    "Attribute",
    "Depth",
    "Outgoing",
    "Payloads",
    "Queue",
    "QueueError",
    "Received",
    "Refusal",
    "SqsQueue",
    "chunks",
    "group_of",
    "new_key",
    "own_payloads",
    "reference_to",
    "sqs_client",
]
