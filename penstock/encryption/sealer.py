"""The producer's side: values of `Sensitive` fields are encrypted with a data key that many intents share."""

import time
from threading import Lock
from typing import Any, Final

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from penstock.encryption.keys import DataKey, KeyService
from penstock.encryption.token import seal
from penstock.intents.sealed import MARK

KEY_SECONDS: Final = 300
"""For how long a data key is used."""
KEY_USES: Final = 10_000
"""For how many values it is used. AES-GCM with random nonces allows 2^32 (NIST SP 800-38D, section 8.3)."""


class Sealer:
    """Encrypts values. Threads may share it."""

    def __init__(self, service: KeyService) -> None:
        """Take the service; it is called for the first value."""
        self._service = service
        self._lock = Lock()
        self._cipher = AESGCM(bytes(32))
        self._wrapped = b""
        self._uses_left = 0
        self._until = 0.0

    def __call__(self, text: str, bound_to: bytes) -> dict[str, Any]:
        """Return what stands for a text on the wire.

        Args:
            text: the text.
            bound_to: the place to which it is bound; see `penstock.intents.sealed.binding`.

        Raises:
            penstock.encryption.keys.KeyServiceError: there is no data key.
        """
        with self._lock:
            if not self._uses_left or time.monotonic() >= self._until:
                self._use(self._service.generate())
            self._uses_left -= 1
            wrapped, cipher = self._wrapped, self._cipher
        return {MARK: seal(text, wrapped, cipher, bound_to)}

    def _use(self, key: DataKey) -> None:
        self._cipher, self._wrapped = AESGCM(key.plain), key.wrapped
        self._uses_left, self._until = KEY_USES, time.monotonic() + KEY_SECONDS
