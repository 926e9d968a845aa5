"""SQS without a network: botocore does all of its work, and each call returns after a fixed time."""

import json
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from botocore.awsrequest import AWSResponse

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

URL = "https://sqs.us-east-1.amazonaws.com/000000000000/bench"


class StubbedSession:
    """Replaces the HTTP session of botocore."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.messages = 0

    def send(self, request: Any) -> AWSResponse:
        """Answer that SQS accepted all messages."""
        body = json.loads(request.body)
        time.sleep(self._seconds)
        sent = [{"Id": entry["Id"], **_RECEIPT} for entry in body.get("Entries", [])]
        self.messages += len(sent) or 1
        answer = {"Successful": sent, "Failed": []} if sent else _RECEIPT
        headers: Any = {"content-type": "application/x-amz-json-1.0"}
        return AWSResponse(request.url, 200, headers, _Raw(json.dumps(answer).encode()))

    def close(self) -> None:
        """Do nothing: there is no connection."""


def stub(client: "SQSClient", seconds: float) -> StubbedSession:
    """Replace the HTTP session of a client.

    Args:
        client: the client.
        seconds: the duration of each call.
    """
    session = StubbedSession(seconds)
    client._endpoint.http_session = session  # type: ignore[attr-defined]
    return session


_RECEIPT = {"MessageId": "0" * 36, "MD5OfMessageBody": "0" * 32}


class _Raw:
    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self) -> Iterator[bytes]:
        yield self._content
