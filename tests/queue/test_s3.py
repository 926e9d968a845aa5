"""Errors of the S3 client that the conformance suite cannot produce."""

import ssl
from io import BytesIO
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.response import StreamingBody
from urllib3.exceptions import SSLError

from penstock.queue import new_key
from penstock.queue.payloads import FetchFailure, PayloadError, PayloadRef
from penstock.queue.s3 import S3Payloads
from penstock.testing import ManualClock

SIZE = 200_000


class _Broken(BytesIO):
    """A body whose TLS connection breaks: botocore does not translate this error of urllib3."""

    def read(self, _amount: int | None = None) -> bytes:
        raise SSLError(ssl.SSLError("bad record mac"))


def _client(body: BytesIO) -> Any:
    answer = {"ContentLength": SIZE, "Body": StreamingBody(body, SIZE)}
    return SimpleNamespace(get_object=lambda **_named: answer)


def test_a_body_that_breaks_off_raises_nothing() -> None:
    """If the connection breaks while a payload is read, the bucket is unavailable; nothing is raised."""
    ref = PayloadRef(new_key(), SIZE)
    assert S3Payloads("own", _client(_Broken())).get({ref}) == {
        ref: FetchFailure(PayloadError.UNAVAILABLE, "SSLError")
    }


class _Slow(BytesIO):
    """A body that arrives at 8 KiB per second."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(bytes(SIZE))
        self._clock = clock

    def read(self, amount: int | None = None) -> bytes:
        part = super().read(amount)
        self._clock.advance(len(part) / 8192)
        return part


def test_a_slow_body_is_abandoned_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slowly a payload arrives, the read stops soon after the deadline."""
    clock = ManualClock()
    monkeypatch.setattr("time.monotonic", clock)
    deadline = clock() + 5
    ref = PayloadRef(new_key(), SIZE)
    payloads = S3Payloads("own", _client(_Slow(clock)))
    assert payloads.get({ref}, timeout_seconds=5) == {
        ref: FetchFailure(PayloadError.UNAVAILABLE, "DeadlineExceeded")
    }
    assert deadline < clock() <= deadline + 2
