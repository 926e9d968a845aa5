"""The producer's side: emit intents, answer 202. It knows no database."""

from penstock.producer.answers import accepted
from penstock.producer.emitter import Producer, emit, emit_many
from penstock.producer.errors import EmitError, IntentTooLarge, NotKept, OrderingKeyError, ReceiptKeyUnavailable
from penstock.producer.outcomes import outcome_answer

__all__ = [
    "EmitError",
    "IntentTooLarge",
    "NotKept",
    "OrderingKeyError",
    "Producer",
    "ReceiptKeyUnavailable",
    "accepted",
    "emit",
    "emit_many",
    "outcome_answer",
]
