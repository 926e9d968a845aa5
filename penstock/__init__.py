"""Penstock protects Postgres from serverless traffic: emit write intents to SQS, drain them in bounded batches.

This package exports what a producer needs. The consumer is `penstock.consumer`, which needs the extra `consumer`.
"""

from penstock.intents import Receipt, UtcDatetime, WriteIntent
from penstock.producer import (
    EmitError,
    IntentTooLarge,
    NotAcknowledged,
    ReceiptKeyUnavailable,
    accepted,
    emit,
    emit_many,
)

__all__ = [
    "EmitError",
    "IntentTooLarge",
    "NotAcknowledged",
    "Receipt",
    "ReceiptKeyUnavailable",
    "UtcDatetime",
    "WriteIntent",
    "accepted",
    "emit",
    "emit_many",
]
