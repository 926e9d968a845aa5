"""The keys of receipts: the first one signs, and each is accepted, so that a key can be replaced.

The setting, or the secret that it names, is one key, or a JSON list of keys. One text has all keys, so that an
instance gets all of them or none of them when the text changes.
"""

import json

from penstock.intents.receipts import InvalidReceipt, Receipt, read_id, verify
from penstock.settings import SecretUnavailable, refresh_secret, resolve_secret


def signing_key(setting: str) -> str:
    """Return the key that signs receipts.

    Args:
        setting: the value of `PENSTOCK_RECEIPT_KEY`.

    Raises:
        penstock.settings.SecretUnavailable: the keys cannot be read.
    """
    return keys_of(resolve_secret(setting))[0]


def verify_receipt(token: str, setting: str) -> Receipt:
    """Verify a receipt with the keys of this service.

    A receipt that no known key has signed makes this instance read the secret again, at most once in ten seconds:
    a producer may have read a newer text.

    Args:
        token: the receipt.
        setting: the value of `PENSTOCK_RECEIPT_KEY`.

    Raises:
        InvalidReceipt: it was not signed with one of the keys.
        penstock.settings.SecretUnavailable: the keys cannot be read.
    """
    read_id(token)  # A text without the form of a receipt is none, whatever the keys.
    known = keys_of(resolve_secret(setting))
    try:
        return verify(token, *known)
    except InvalidReceipt:
        now = keys_of(refresh_secret(setting))
        if now == known:
            raise
        return verify(token, *now)


def keys_of(text: str) -> tuple[str, ...]:
    """Return the keys in a text: the text itself, or what it lists.

    Raises:
        penstock.settings.SecretUnavailable: the text begins as a list, and is not a list of different keys.
    """
    if not text.startswith("["):
        return (text,)
    try:
        keys = json.loads(text)
    except ValueError:
        keys = []
    if not keys or not all(isinstance(key, str) and key for key in keys) or len(set(keys)) < len(keys):
        raise SecretUnavailable(
            "PENSTOCK_RECEIPT_KEY, or its secret, begins with [ and is not a JSON list of different keys"
        )
    return tuple(keys)
