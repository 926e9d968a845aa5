"""The contract between the two sides: intents, their kinds and ids, the envelope, receipts."""

from penstock.intents.envelope import Contract, Envelope, EnvelopeError, seal
from penstock.intents.ids import derive_id, new_id
from penstock.intents.instant import Instant
from penstock.intents.intent import WriteIntent, kind_of
from penstock.intents.outcomes import Outcome, OutcomeForgotten, OutcomeUnavailable
from penstock.intents.receipts import ForgedReceipt, Receipt, sign, verify

__all__ = [
    "Contract",
    "Envelope",
    "EnvelopeError",
    "ForgedReceipt",
    "Instant",
    "Outcome",
    "OutcomeForgotten",
    "OutcomeUnavailable",
    "Receipt",
    "WriteIntent",
    "derive_id",
    "kind_of",
    "new_id",
    "seal",
    "sign",
    "verify",
]
