"""The queue between producer and consumer: its interface, its limits, and its implementation on Amazon SQS."""

from penstock.queue.bucket import payload_store
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
    group_of,
    message_batches,
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
    "group_of",
    "message_batches",
    "new_key",
    "payload_store",
    "reference_to",
    "sqs_client",
]
