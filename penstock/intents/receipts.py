"""Receipts: signed ids of intents. A receipt lets its holder read the outcome, and cannot be guessed.

A receipt is 43 characters of URL-safe base64: a version byte, the 16 bytes of the id, and 15 bytes of
HMAC-SHA256 over both. The same id and key always give the same receipt.
"""

import base64
import binascii
import hmac
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from penstock.intents.ids import time_of

_VERSION = b"\x01"
_ID_BYTES = 16
_MAC_BYTES = 15
_TOKEN_LENGTH = 43
_INVALID = "not a receipt of this service"


class InvalidReceipt(ValueError):
    """A text is not a receipt signed with a key of this service."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the caller gets once SQS has acknowledged an intent.

    Attributes:
        id: the intent's id.
        token: the signed text, which `str(receipt)` returns too.
    """

    id: UUID
    token: str

    def __str__(self) -> str:
        return self.token

    @property
    def made_at(self) -> datetime | None:
        """When the id was made; None if it was derived from an idempotency key, which contains no time."""
        return time_of(self.id)


def sign(id: UUID, key: str) -> Receipt:  # noqa: A002
    """Make the receipt of the intent `id`."""
    claim = _VERSION + id.bytes
    return Receipt(id, base64.urlsafe_b64encode(claim + _mac(claim, key)).decode().rstrip("="))


def verify(token: str, *keys: str) -> Receipt:
    """Verify and decode a receipt.

    Raises:
        InvalidReceipt: it was not signed with one of the keys.
    """
    id_ = read_id(token)
    # The receipt is signed again and compared: base64 has several forms of the last character, a receipt has one.
    # Each key is tried, so that the time does not tell which of them signed.
    equal = [hmac.compare_digest(sign(id_, key).token, token) for key in keys]
    if not any(equal):
        raise InvalidReceipt(_INVALID)
    return Receipt(id_, token)


def read_id(token: str) -> UUID:
    """Return the intent's id in a receipt, without verifying the signature; see `verify`.

    Raises:
        InvalidReceipt: the text does not have the form of a receipt.
    """
    try:
        raw = base64.b64decode(f"{token}=", altchars="-_", validate=True) if len(token) == _TOKEN_LENGTH else b""
    except (binascii.Error, ValueError):
        raw = b""
    if raw[:1] != _VERSION:
        raise InvalidReceipt(_INVALID)
    return UUID(bytes=raw[1 : 1 + _ID_BYTES])


def identify(text: str) -> UUID:
    """Return the id of an intent from the text of its id or of its receipt. The signature is not verified.

    Raises:
        ValueError: the text is neither.
    """
    try:
        return UUID(text)
    except ValueError:
        return read_id(text)


def _mac(claim: bytes, key: str) -> bytes:
    return hmac.digest(key.encode(), b"penstock receipt" + claim, "sha256")[:_MAC_BYTES]
