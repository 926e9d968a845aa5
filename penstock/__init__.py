"""Penstock protects Postgres from serverless traffic: emit write intents to SQS, drain them in bounded batches.

What a producer needs is here. The consumer's side is `penstock.consumer`, which needs the extra `consumer`.
"""

from penstock.intents import Instant, Receipt, WriteIntent
from penstock.producer import (
    EmitError,
    IntentTooLarge,
    NotKept,
    ReceiptKeyUnavailable,
    accepted,
    emit,
    emit_many,
)

__all__ = [
    "EmitError",
    "Instant",
    "IntentTooLarge",
    "NotKept",
    "Receipt",
    "ReceiptKeyUnavailable",
    "WriteIntent",
    "accepted",
    "emit",
    "emit_many",
]
