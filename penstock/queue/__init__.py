"""The queue between the two sides: its interface, its limits, and Amazon SQS behind it."""

from penstock.queue.interface import DEADLINE_EXCEEDED, Depth, Queue, QueueError, Refusal
from penstock.queue.message import (
    ATTRIBUTE_LIMIT,
    BATCH_LIMIT,
    MESSAGE_LIMIT_BYTES,
    Attribute,
    Outgoing,
    Received,
    chunks,
)
from penstock.queue.sqs import SqsQueue, sqs_client

__all__ = [
    "ATTRIBUTE_LIMIT",
    "BATCH_LIMIT",
    "DEADLINE_EXCEEDED",
    "MESSAGE_LIMIT_BYTES",
    "Attribute",
    "Depth",
    "Outgoing",
    "Queue",
    "QueueError",
    "Received",
    "Refusal",
    "SqsQueue",
    "chunks",
    "sqs_client",
]
