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
_WRAPPED = re.compile(rf'"{MARK}"\s*:\s*"{_FORM}\.([A-Za-z0-9_-]+)\.')


class TokenError(ValueError):
    """A text is no token, was altered, or was encrypted for another place."""


def seal(text: str, wrapped: bytes, cipher: AESGCM, bound_to: bytes) -> str:
    """Encrypt a text, bound to a place."""
    nonce = os.urandom(_NONCE_BYTES)
    return f"{_FORM}.{_encode(wrapped)}.{_encode(nonce + cipher.encrypt(nonce, text.encode(), bound_to))}"


def wrapped_key(token: str) -> bytes:
    """Return the wrapped data key of a token.

    Raises:
        TokenError: it is no token.
    """
    return _parts(token)[0]


def unseal(token: str, cipher: AESGCM, bound_to: bytes) -> str:
    """Decrypt a token.

    Raises:
        TokenError: it is no token, was altered, or is bound to another place.
    """
    sealed = _parts(token)[1]
    try:
        return cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], bound_to).decode()
    except (InvalidTag, ValueError):
        raise TokenError from None


def wrapped_keys_in(text: str) -> set[bytes]:
    """Return the wrapped data keys of all tokens in a JSON text; what only looks like one is left out."""
    found = set()
    for encoded in _WRAPPED.findall(text):
        try:
            found.add(_decode(encoded))
        except TokenError:
            continue
    return found


def _parts(token: str) -> tuple[bytes, bytes]:
    form, *parts = token.split(".")
    if form != _FORM or len(parts) != len(("KEY", "TEXT")):
        raise TokenError
    wrapped, sealed = map(_decode, parts)
    if not 0 < len(wrapped) <= _LONGEST_KEY_BYTES:
        raise TokenError
    return wrapped, sealed


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(f"{text}{'=' * (-len(text) % 4)}", altchars="-_", validate=True)
    except (binascii.Error, ValueError):
        raise TokenError from None
