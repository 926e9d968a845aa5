"""The contract between producer and consumer: intents, their kinds and ids, envelopes, receipts."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from penstock.intents.encoding import encode_envelope, encode_reference
from penstock.intents.ids import derive_id, new_id
from penstock.intents.intent import WriteIntent, kind_of
from penstock.intents.outcomes import Outcome, OutcomeExpired, OutcomeUnavailable
from penstock.intents.receipts import InvalidReceipt, Receipt, sign, verify
from penstock.intents.sensitive import Sensitive
from penstock.intents.utc_datetime import UtcDatetime

if TYPE_CHECKING:
    from penstock.intents.contract import Contract
    from penstock.intents.envelope import Envelope, EnvelopeError

__all__ = [
    "Contract",
    "Envelope",
    "EnvelopeError",
    "InvalidReceipt",
    "Outcome",
    "OutcomeExpired",
    "OutcomeUnavailable",
    "Receipt",
    "Sensitive",
    "UtcDatetime",
    "WriteIntent",
    "derive_id",
    "encode_envelope",
    "encode_reference",
    "kind_of",
    "new_id",
    "sign",
    "verify",
]

_LAZY = {"Contract": "contract", "Envelope": "envelope", "EnvelopeError": "envelope"}


def __getattr__(name: str) -> Any:
    """Import the decoder of envelopes on first use: a producer does not need it, and starts faster without it."""
    if name in _LAZY:
        return getattr(import_module(f"penstock.intents.{_LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
