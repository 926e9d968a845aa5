"""The form of an encrypted value on the wire: `{"penstock-encrypted": TOKEN}` in place of the value.

A plaintext is a string, so that no text can be taken for an encrypted value. `penstock.encryption` makes tokens
and opens them.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final, Protocol, TypeAlias
from uuid import UUID

MARK: Final = "penstock-encrypted"
"""The only key of the object that stands for an encrypted value."""

Seal: TypeAlias = Callable[[str, bytes], Any]
"""Returns what is written on the wire in place of a plaintext; the second argument is its `binding`."""


class SealedError(Exception):
    """An encrypted value cannot be read. The message contains no value.

    Attributes:
        reason: `data-key-unavailable`, `data-key-denied`, `data-key-lost`, `sealed-altered`, `digest-key-unset`,
            `digest-key-unavailable`, `digest-key-denied` or `encryption-not-installed`.
        code: what the key service said; empty if nothing.
    """

    def __init__(self, reason: str, code: str = "") -> None:
        super().__init__(reason, code)
        self.reason = reason
        self.code = code


class Opener(Protocol):
    """Reads encrypted values."""

    def prepare(self, texts: Iterable[str], *, timeout_seconds: float) -> None:
        """Fetch the keys of all encrypted values in some texts, so that `open` need not wait for them."""

    def open(self, token: str, bound_to: bytes) -> str:
        """Return the plaintext of a token.

        Raises:
            SealedError: the key cannot be had, or the token was altered or belongs elsewhere.
        """

    def fingerprint(self, text: str, bound_to: bytes) -> int:
        """Return a keyed digest of a plaintext, of 64 bits with a sign.

        Raises:
            SealedError: the key of the digests cannot be had.
        """


def unsealed(text: str, _bound_to: bytes) -> str:
    """Leave a plaintext as it is, in an envelope that never leaves the process; a `Seal`."""
    return text


def token_of(value: Any) -> str | None:
    """Return the token of an encrypted value; None if a JSON value is none."""
    token = value.get(MARK) if isinstance(value, dict) and len(value) == 1 else None
    return token if isinstance(token, str) else None


def binding(kind: str, field: str, id: UUID) -> bytes:  # noqa: A002
    """Return what a token is bound to, as bytes: it cannot be read in another place.

    Args:
        kind: the oldest name of the kind.
        field: the field's name on the wire.
        id: the intent's id.
    """
    # Neither a kind nor an id has a space, so that no two places have the same text.
    return f"penstock {kind} {id.int:x} {field}".encode()
