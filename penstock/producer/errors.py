"""The errors of emitting, split by what the caller must do.

    EmitError
    ├── IntentTooLarge          the intent never fits in a message: answer 413
    ├── OrderingKeyError        the ordering key does not suit the queue: correct the code (500)
    ├── EncryptionUnavailable   a Sensitive field could not be encrypted and nothing was sent: try later (503)
    ├── ReceiptKeyUnavailable   no receipt could be signed and nothing was sent: try again later (503)
    └── NotAcknowledged         SQS did not acknowledge all intents: try again later (503)

An intent whose values cannot be stored raises `pydantic.ValidationError`, as its constructor does (422).
"""

from collections.abc import Mapping

from penstock.intents import Receipt
from penstock.queue import Refusal


class EmitError(Exception):
    """An intent was not emitted."""


class IntentTooLarge(EmitError):
    """An intent does not fit in a message. Nothing was sent.

    Attributes:
        size: the size of the intent as a message, in bytes.
        limit: the largest size that is allowed, in bytes.
        index: the intent's position in what was emitted, from 0.
    """

    def __init__(self, size: int, limit: int, *, index: int) -> None:
        super().__init__(f"the intent takes {size:,} bytes as a message; {limit:,} are allowed")
        self.size = size
        self.limit = limit
        self.index = index


class OrderingKeyError(EmitError):
    """A FIFO queue got an intent without an ordering key, or a standard queue one with it. Nothing was sent."""

    def __init__(self, kind: str, *, fifo: bool) -> None:
        missing = (
            f"the queue is a FIFO queue and {kind!r} has no ordering key: "
            "give emit an ordering_key, or the intent's class a property intent_ordering_key"
        )
        unexpected = (
            f"an ordering_key was given for {kind!r}, but a standard queue keeps no order: "
            "leave it out, or use a FIFO queue (its URL ends with .fifo)"
        )
        super().__init__(missing if fifo else unexpected)


class EncryptionUnavailable(EmitError):
    """There is no data key for a `Sensitive` field: KMS refuses or does not answer. Nothing was sent."""


class ReceiptKeyUnavailable(EmitError):
    """The key that signs receipts cannot be read at the moment. Nothing was sent."""


class NotAcknowledged(EmitError):
    """SQS did not acknowledge some of the intents. Emitting the same objects again is safe.

    Attributes:
        sent: the receipts of the intents that SQS acknowledged, by position.
        failed: the reasons why the others were not acknowledged, by position.
    """

    def __init__(self, sent: Mapping[int, Receipt], failed: Mapping[int, Refusal]) -> None:
        codes = ", ".join(sorted({refusal.code for refusal in failed.values()}))
        super().__init__(f"{len(failed)} of {len(sent) + len(failed)} intents were not acknowledged: {codes}")
        self.sent = sent
        self.failed = failed

    @property
    def retryable(self) -> bool:
        """Whether emitting again may succeed for all that failed. If not, look at the codes in `failed` first."""
        return all(refusal.retryable for refusal in self.failed.values())
