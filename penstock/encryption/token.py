"""Tokens: a text encrypted with AES-256-GCM (NIST SP 800-38D), with its wrapped data key.

A token is `1.KEY.TEXT`: the form, the wrapped data key, and 12 random bytes with the ciphertext and its tag, both
in URL-safe base64 without padding.
"""

import base64
import binascii
import os
import re
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from penstock.intents.sealed import MARK

_FORM: Final = "1"
_NONCE_BYTES: Final = 12
_LONGEST_KEY_BYTES: Final = 6144
"""What KMS accepts (AWS KMS API Reference, "Decrypt")."""
_KEYS = re.compile(rf'"{MARK}"\s*:\s*"{_FORM}\.([A-Za-z0-9_-]+)\.')


class TokenError(ValueError):
    """A text is no token, was altered, or was encrypted for another place."""


def seal(text: str, wrapped: bytes, cipher: AESGCM, bound_to: bytes) -> str:
    """Encrypt a text, bound to a place."""
    nonce = os.urandom(_NONCE_BYTES)
    return f"{_FORM}.{_encode(wrapped)}.{_encode(nonce + cipher.encrypt(nonce, text.encode(), bound_to))}"


def parts_of(token: str) -> tuple[str, str]:
    """Return the wrapped data key and the encrypted text of a token, as it has them.

    Raises:
        TokenError: it is no token.
    """
    form, *parts = token.split(".")
    if form != _FORM or len(parts) != len(("KEY", "TEXT")):
        raise TokenError
    return parts[0], parts[1]


def wrapped_key(key: str) -> bytes:
    """Decode the wrapped data key of a token.

    Raises:
        TokenError: it is none.
    """
    wrapped = _decode(key)
    if not 0 < len(wrapped) <= _LONGEST_KEY_BYTES:
        raise TokenError
    return wrapped


def unseal(text: str, cipher: AESGCM, bound_to: bytes) -> str:
    """Decrypt the encrypted text of a token.

    Raises:
        TokenError: it was altered, or is bound to another place.
    """
    sealed = _decode(text)
    try:
        return cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], bound_to).decode()
    except (InvalidTag, ValueError):
        raise TokenError from None


def keys_in(text: str) -> list[str]:
    """Return the wrapped data keys of all tokens in a JSON text, as the tokens have them."""
    return _KEYS.findall(text)


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(f"{text}{'=' * (-len(text) % 4)}", altchars="-_", validate=True)
    except (binascii.Error, ValueError):
        raise TokenError from None
