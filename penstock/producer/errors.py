"""What emitting can raise, split by what the caller must do.

    EmitError
    ├── IntentTooLarge          it never fits in a message: tell whoever sent it (413)
    ├── OrderingKeyError        the queue and the ordering key do not go together: the code is wrong (500)
    ├── ReceiptKeyUnavailable   no receipt could be signed: nothing was sent, try again later (503)
    └── NotAcknowledged                 SQS did not acknowledge all of them: have the caller try again later (503)

An intent whose values cannot be stored raises `pydantic.ValidationError`, as making it does (422).
"""

from collections.abc import Mapping

from penstock.intents import Receipt
from penstock.queue import Refusal


class EmitError(Exception):
    """An intent was not emitted."""


class IntentTooLarge(EmitError):
    """An intent does not fit in a message.

    Attributes:
        size: bytes that it would take.
        limit: bytes that it may take.
    """

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(f"the intent takes {size:,} bytes as a message; {limit:,} are allowed")
        self.size = size
        self.limit = limit


class OrderingKeyError(EmitError):
    """A FIFO queue got an intent without an ordering key, or a standard queue one with it. Nothing was sent."""

    def __init__(self, kind: str, *, fifo: bool) -> None:
        needed = (
            f"the queue is a FIFO queue and {kind!r} has no ordering key: "
            "give emit an ordering_key, or the intent's class a property intent_ordering_key"
        )
        unknown = (
            f"an ordering_key was given for {kind!r}, but the queue keeps no order: "
            "leave it out, or use a FIFO queue (its URL ends with .fifo)"
        )
        super().__init__(needed if fifo else unknown)


class ReceiptKeyUnavailable(EmitError):
    """The key that signs receipts cannot be read at the moment. Nothing was sent."""


class NotAcknowledged(EmitError):
    """SQS did not acknowledge some of the intents. Emitting the same objects again is safe.

    Attributes:
        sent: the receipts of the intents that SQS acknowledged, by position in what was emitted.
        failed: why the others were not acknowledged, by position.
    """

    def __init__(self, sent: Mapping[int, Receipt], failed: Mapping[int, Refusal]) -> None:
        codes = ", ".join(sorted({refusal.code for refusal in failed.values()}))
        super().__init__(f"{len(failed)} of {len(sent) + len(failed)} intents were not acknowledged: {codes}")
        self.sent = sent
        self.failed = failed

    @property
    def retryable(self) -> bool:
        """Whether all that were refused may be kept later; if not, somebody has to look at the codes first."""
        return all(refusal.retryable for refusal in self.failed.values())
