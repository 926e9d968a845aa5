"""A pooler that cannot pass pipelines on, and a libpq that has none."""

import struct
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from tests.support.proxy import proxied

_WITHOUT_TYPE = 4
_ENCRYPTION = (80877103, 80877104)
"""The codes of SSLRequest and GSSENCRequest, which come before the start-up message."""


@contextmanager
def without_pipelines(url: str) -> Iterator[str]:
    """Give the URL of a database through a proxy that cuts a client which sends statements ahead of answers."""
    with proxied(url) as (through, proxy):
        proxy.inspect = lambda: _Requests().are_acceptable
        yield through


def refuse_pipelines(check: bool = False) -> bool:
    """Stand in for psycopg's `has_pipeline` with a libpq before 14."""
    if check:
        raise psycopg.NotSupportedError("the feature 'Connection.pipeline()' is not available")
    return False


class _Requests:
    """What a client sends (PostgreSQL documentation, "Message Formats")."""

    def __init__(self) -> None:
        self._unread = b""
        self._started = False
        self._executed = False

    def are_acceptable(self, chunk: bytes) -> bool:
        """Return False if a statement follows another one without a Sync in between."""
        self._unread += chunk
        while message := self._next():
            if self._executed and message != b"S":
                return False
            self._executed = message == b"E"
        return True

    def _next(self) -> bytes:
        """Take the next message that is complete; return its type, or nothing if there is none."""
        begin = int(self._started)
        if len(self._unread) < begin + 4:
            return b""
        (length,) = struct.unpack_from("!i", self._unread, begin)
        if len(self._unread) < begin + length:
            return b""
        message, self._unread = self._unread[: begin + length], self._unread[begin + length :]
        if self._started:
            return message[:1]
        self._started = struct.unpack_from("!i", message, _WITHOUT_TYPE)[0] not in _ENCRYPTION
        return b"start"
