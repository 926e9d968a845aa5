"""The producer's side: emit intents, answer 202. It knows no database."""

from penstock.producer.answers import accepted, outcome_answer
from penstock.producer.emitter import Producer, emit, emit_many
from penstock.producer.errors import EmitError, IntentTooLarge, NotKept, ReceiptKeyUnavailable

__all__ = [
    "EmitError",
    "IntentTooLarge",
    "NotKept",
    "Producer",
    "ReceiptKeyUnavailable",
    "accepted",
    "emit",
    "emit_many",
    "outcome_answer",
]
