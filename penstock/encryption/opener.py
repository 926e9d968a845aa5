"""The drain's side: values of `Sensitive` fields are decrypted, with data keys that are unwrapped once."""

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from functools import cached_property
from hashlib import blake2b
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from penstock.encryption.keys import KeyProblem, KeyService, KeyServiceError
from penstock.intents.sealed import MARK, SealedError
from penstock.queue.concurrency import for_each
from penstock.settings import SecretUnavailable, resolve_secret

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

CACHED_KEYS: Final = 1000
"""How many data keys are kept between batches: those that were used last."""

_THREADS: Final = 8
_REASONS: Final = {
    KeyProblem.UNAVAILABLE: "data-key-unavailable",
    KeyProblem.DENIED: "data-key-denied",
    KeyProblem.LOST: "data-key-lost",
    KeyProblem.ALTERED: "sealed-altered",
}
_DENIED: Final = frozenset({"AccessDeniedException", "ResourceNotFoundException"})
"""Codes of Secrets Manager that no later attempt changes."""
_FINGERPRINT_BYTES: Final = 8


class KeyOpener:
    """Decrypts values, and calls the key service once for each data key. It is used by one thread at a time.

    It imports `cryptography` and makes a client for the first encrypted value only.
    """

    def __init__(self, find_service: Callable[[], KeyService], find_digest_key: Callable[[], str]) -> None:
        """Make an opener without keys.

        Args:
            find_service: returns the key service.
            find_digest_key: returns the setting with the key of the digests.
        """
        self._find_service = find_service
        self._find_digest_key = find_digest_key
        self._ciphers: dict[str, AESGCM] = {}
        self._failed: dict[str, KeyServiceError] = {}
        self._digest_key: bytes | SealedError | None = None

    def prepare(self, texts: Iterable[str], *, timeout_seconds: float) -> None:
        """Unwrap the data keys of all encrypted values in some texts, several at once; read that of the digests.

        A key that cannot be had is known until the next call: whoever needs it fails at once.
        """
        self._failed.clear()
        self._digest_key = None
        marked = [text for text in texts if MARK in text]
        if not marked or not _is_installed():
            return
        from penstock.encryption.token import TokenError, keys_in  # noqa: PLC0415 (costly, and only here)

        self._digest_key = self._read_digest_key()
        # Those that most texts need come first.
        used = [key for key, _ in Counter(key for text in marked for key in keys_in(text)).most_common()]
        self._forget(set(used))
        end = time.monotonic() + timeout_seconds

        def unwrap(key: str) -> None:
            try:
                if time.monotonic() > end:
                    raise KeyServiceError(KeyProblem.UNAVAILABLE, "DeadlineExceeded")
                self._cipher(key)
            except KeyServiceError as error:
                self._failed[key] = error
            except TokenError:
                pass  # `open` says so.

        # The first one before the threads are started, or each of them might make a client.
        missing = [key for key in used if key not in self._ciphers]
        for key in missing[:1]:
            unwrap(key)
        for_each(missing[1:], unwrap, _THREADS)

    def open(self, token: str, bound_to: bytes) -> str:
        """Return the plaintext of a token.

        Raises:
            penstock.intents.sealed.SealedError: its key cannot be had, or it was altered or belongs elsewhere.
        """
        if not self._ciphers and not _is_installed():
            raise SealedError("encryption-not-installed")
        from penstock.encryption.token import TokenError, parts_of, unseal  # noqa: PLC0415 (costly, and only here)

        try:
            key, sealed = parts_of(token)
            return unseal(sealed, self._cipher(key), bound_to)
        except TokenError:
            raise SealedError("sealed-altered") from None
        except KeyServiceError as error:
            raise SealedError(_REASONS[error.problem], error.code) from None

    def fingerprint(self, text: str, bound_to: bytes) -> int:
        """Return a keyed digest of a plaintext.

        Raises:
            penstock.intents.sealed.SealedError: there is no key of the digests.
        """
        if self._digest_key is None:
            self._digest_key = self._read_digest_key()
        if isinstance(self._digest_key, SealedError):
            raise self._digest_key
        hashed = blake2b(digest_size=_FINGERPRINT_BYTES, key=self._digest_key)
        hashed.update(len(bound_to).to_bytes(8) + bound_to + text.encode())
        return int.from_bytes(hashed.digest(), signed=True)

    def _read_digest_key(self) -> bytes | SealedError:
        setting = self._find_digest_key()
        if not setting:
            return SealedError("digest-key-unset")
        try:
            return blake2b(resolve_secret(setting).encode()).digest()
        except SecretUnavailable as error:
            code = str(error).rpartition(": ")[2]
            return SealedError("digest-key-denied" if code in _DENIED else "digest-key-unavailable", code)

    def _cipher(self, key: str) -> "AESGCM":
        if key in self._failed:
            raise self._failed[key]
        # Put back at the end: the first keys are those that were used longest ago.
        cipher = self._ciphers.pop(key, None) or _unwrapped(key, self._service)
        self._ciphers[key] = cipher
        return cipher

    def _forget(self, used: Collection[str]) -> None:
        """Forget the keys that were used longest ago, and none of those that are used now."""
        for key in [*self._ciphers][: max(0, len(self._ciphers) - CACHED_KEYS)]:
            if key not in used:
                del self._ciphers[key]

    @cached_property
    def _service(self) -> KeyService:
        return self._find_service()


def _unwrapped(key: str, service: KeyService) -> "AESGCM":
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 (costly, and only here)

    from penstock.encryption.token import wrapped_key  # noqa: PLC0415

    plain = service.unwrap(wrapped_key(key))
    try:
        return AESGCM(plain)
    except ValueError:
        raise KeyServiceError(KeyProblem.ALTERED, "KeyLength") from None


def _is_installed() -> bool:
    return find_spec("cryptography") is not None
