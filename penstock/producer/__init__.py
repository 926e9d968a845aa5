"""The producer: emit intents and answer 202. It has no access to the database."""

from penstock.producer.emitter import Producer, emit, emit_many
from penstock.producer.errors import (
    EmitError,
    EncryptionUnavailable,
    IntentTooLarge,
    NotAcknowledged,
    OrderingKeyError,
    ReceiptKeyUnavailable,
)
from penstock.producer.http.outcomes import outcome_answer
from penstock.producer.http.responses import accepted

__all__ = [
    "EmitError",
    "EncryptionUnavailable",
    "IntentTooLarge",
    "NotAcknowledged",
    "OrderingKeyError",
    "Producer",
    "ReceiptKeyUnavailable",
    "accepted",
    "emit",
    "emit_many",
    "outcome_answer",
]
