"""Penstock protects Postgres from serverless traffic: emit write intents to SQS, drain them in bounded batches.

This package exports what a producer needs. The consumer is `penstock.consumer`, which needs the extra `consumer`.
"""

from typing import TYPE_CHECKING, Final

from penstock.exports import exports_of

if TYPE_CHECKING:
    from penstock.intents import Receipt, Sensitive, UtcDatetime, WriteIntent
    from penstock.producer import (
        EmitError,
        EncryptionUnavailable,
        IntentTooLarge,
        NotAcknowledged,
        ReceiptKeyUnavailable,
        accepted,
        emit,
        emit_many,
    )

__all__ = [
    "EmitError",
    "EncryptionUnavailable",
    "IntentTooLarge",
    "NotAcknowledged",
    "Receipt",
    "ReceiptKeyUnavailable",
    "Sensitive",
    "UtcDatetime",
    "WriteIntent",
    "accepted",
    "emit",
    "emit_many",
]

_INTENTS: Final = {"Receipt", "Sensitive", "UtcDatetime", "WriteIntent"}
_MODULES: Final = {name: "intents" if name in _INTENTS else "producer" for name in __all__}

__getattr__ = exports_of(__name__, _MODULES)
