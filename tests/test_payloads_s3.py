"""S3 at its worst: what its client does that no conformance suite can ask for."""

import ssl
from io import BytesIO
from typing import Any

from botocore.response import StreamingBody
from urllib3.exceptions import SSLError

from penstock.queue import new_key
from penstock.queue.payloads import Lack, Unread, Wanted
from penstock.queue.s3 import S3Payloads


class _Broken(BytesIO):
    """A body whose TLS breaks in its midst: botocore lets that error of urllib3's through."""

    def read(self, _amount: int | None = None) -> bytes:
        raise SSLError(ssl.SSLError("bad record mac"))


class _Client:
    def get_object(self, **_named: Any) -> dict[str, Any]:
        return {"ContentLength": 9, "Body": StreamingBody(_Broken(), 9)}


def test_a_body_that_breaks_off_raises_nothing() -> None:
    """A connection that breaks while a payload is read is a bucket out of reach, not an error of the drain's."""
    wanted = Wanted(new_key(), 9)
    client: Any = _Client()
    assert S3Payloads("own", client).get({wanted}) == {wanted: Unread(Lack.AWAY, "SSLError")}
