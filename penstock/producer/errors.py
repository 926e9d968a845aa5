"""What emitting can raise, split by what the caller must do.

    EmitError
    ├── IntentTooLarge          it never fits in a message: tell whoever sent it (413)
    ├── ReceiptKeyUnavailable   no receipt could be signed: nothing was sent, try again later (503)
    └── NotKept                 SQS did not acknowledge all of them: have the caller try again later (503)

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


class ReceiptKeyUnavailable(EmitError):
    """The key that signs receipts cannot be read at the moment. Nothing was sent."""


class NotKept(EmitError):
    """SQS did not acknowledge some of the intents. Emitting the same objects again is safe.

    Attributes:
        kept: the receipts of those that it did acknowledge, by position in what was emitted.
        refused: why the others were not, by position.
    """

    def __init__(self, kept: Mapping[int, Receipt], refused: Mapping[int, Refusal]) -> None:
        codes = ", ".join(sorted({refusal.code for refusal in refused.values()}))
        super().__init__(f"{len(refused)} of {len(kept) + len(refused)} intents were not kept: {codes}")
        self.kept = kept
        self.refused = refused
