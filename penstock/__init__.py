"""Penstock protects Postgres from serverless traffic: emit write intents to SQS, drain them in bounded batches.

This package exports what a producer needs. The consumer is `penstock.consumer`, which needs the extra `consumer`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
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

_INTENTS: Final = {"Receipt", "UtcDatetime", "WriteIntent"}


def __getattr__(name: str) -> Any:
    """Import an export at its first use: pytest loads this package in every run, for the plugin that is in it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{'intents' if name in _INTENTS else 'producer'}"), name)
    globals()[name] = value
    return value
