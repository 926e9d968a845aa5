"""S3 at its worst: what its client does that no conformance suite can ask for."""

import ssl
from io import BytesIO
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.response import StreamingBody
from urllib3.exceptions import SSLError

from penstock.queue import new_key, s3
from penstock.queue.payloads import FetchFailure, PayloadError, PayloadRef
from penstock.queue.s3 import S3Payloads
from penstock.testing import ManualClock

SIZE = 200_000


class _Broken(BytesIO):
    """A body whose TLS breaks in its midst: botocore lets that error of urllib3's through."""

    def read(self, _amount: int | None = None) -> bytes:
        raise SSLError(ssl.SSLError("bad record mac"))


def _client(body: BytesIO) -> Any:
    answer = {"ContentLength": SIZE, "Body": StreamingBody(body, SIZE)}
    return SimpleNamespace(get_object=lambda **_named: answer)


def test_a_body_that_breaks_off_raises_nothing() -> None:
    """A connection that breaks while a payload is read is a bucket out of reach, not an error of the drain's."""
    wanted = PayloadRef(new_key(), SIZE)
    assert S3Payloads("own", _client(_Broken())).get({wanted}) == {
        wanted: FetchFailure(PayloadError.UNAVAILABLE, "SSLError")
    }


class _Dripping(BytesIO):
    """A body that comes at 8 KiB a second."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(bytes(SIZE))
        self._clock = clock

    def read(self, amount: int | None = None) -> bytes:
        piece = super().read(amount)
        self._clock.advance(len(piece) / 8192)
        return piece


def test_a_body_that_drips_is_left_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slowly a payload comes, it is given up soon after the patience has ended."""
    clock = ManualClock()
    monkeypatch.setattr(s3, "time", SimpleNamespace(monotonic=clock))
    until = clock() + 5
    wanted = PayloadRef(new_key(), SIZE)
    payloads = S3Payloads("own", _client(_Dripping(clock)))
    assert payloads.get({wanted}, timeout_seconds=5) == {
        wanted: FetchFailure(PayloadError.UNAVAILABLE, "DeadlineExceeded")
    }
    assert until < clock() <= until + 2
