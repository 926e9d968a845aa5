"""A key service in memory, for `Sensitive` fields."""

import os
from collections.abc import Callable
from functools import cache
from typing import Any

from penstock.encryption.keys import DataKey, KeyProblem, KeyServiceError
from penstock.intents.sealed import Seal

DIGEST_KEY = "test"
"""The key of the digests of `Sensitive` fields."""

_PREFIX = b"penstock test key "


def seal(text: str, bound_to: bytes) -> Any:
    """Encrypt a value with a key of `MemoryKeys`."""
    return _sealer()(text, bound_to)


@cache
def _sealer() -> Seal:
    from penstock.encryption.sealer import Sealer  # noqa: PLC0415 (needs `cryptography`, and only here)

    return Sealer(MemoryKeys())


class MemoryKeys:
    """Data keys for tests; it protects nothing: a wrapped key is the key itself.

    All objects of this class unwrap each other's keys.

    Attributes:
        calls: how many keys it has made or unwrapped.
    """

    def __init__(self) -> None:
        """Make a key service that works."""
        self.calls = 0
        self._refuse: Callable[[], None] = lambda: None

    def refuse(self, problem: KeyProblem, code: str = "test") -> None:
        """Refuse every call from now on."""

        def refuse() -> None:
            raise KeyServiceError(problem, code)

        self._refuse = refuse

    def allow(self) -> None:
        """Work again."""
        self._refuse = lambda: None

    def generate(self) -> DataKey:
        """Make a new data key."""
        self._call()
        plain = os.urandom(32)
        return DataKey(plain, _PREFIX + plain)

    def unwrap(self, wrapped: bytes) -> bytes:
        """Return the plain key of a wrapped one."""
        self._call()
        if not wrapped.startswith(_PREFIX):
            raise KeyServiceError(KeyProblem.ALTERED, "InvalidCiphertextException")
        return wrapped.removeprefix(_PREFIX)

    def _call(self) -> None:
        self.calls += 1
        self._refuse()
