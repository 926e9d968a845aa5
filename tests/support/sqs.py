"""A stubbed SQS client and the responses that a test prepares for it."""

from typing import TYPE_CHECKING, cast

import boto3
from botocore.stub import Stubber

from penstock.queue import Outgoing, SqsQueue

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

URL = "https://sqs.eu-west-1.amazonaws.com/123456789012/writes"
FIFO_URL = f"{URL}.fifo"
SESSION = boto3.Session(aws_access_key_id="a", aws_secret_access_key="b", region_name="eu-west-1")


def queue_of(stub: Stubber, timeout_seconds: float = 5) -> SqsQueue:
    """Make a queue that uses the stubbed client."""
    return SqsQueue(URL, cast("SQSClient", stub.client), timeout_seconds=timeout_seconds)


def expect_send(stub: Stubber, ids: list[str], failed: dict[str, tuple[str, bool]] | None = None) -> None:
    """Prepare the response to one batch call with the bodies b0, b1 and so on, some of which fail."""
    failed = failed or {}
    stub.add_response(
        "send_message_batch",
        {
            "Successful": [
                {"Id": i, "MessageId": f"m{i}", "MD5OfMessageBody": "0"} for i in ids if i not in failed
            ],
            "Failed": [{"Id": i, "Code": code, "SenderFault": sender} for i, (code, sender) in failed.items()],
        },
        {"QueueUrl": URL, "Entries": [{"Id": i, "MessageBody": f"b{i}"} for i in ids]},
    )


def bodies(count: int) -> list[Outgoing]:
    """Make messages b0, b1 and so on."""
    return [Outgoing(f"b{number}") for number in range(count)]
