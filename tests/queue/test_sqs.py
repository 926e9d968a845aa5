"""The SQS queue: its client, what it sends and what it reads."""

import json
import socket
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from botocore.config import Config
from botocore.stub import Stubber

from penstock.queue import Attribute, Outgoing, QueueError, SqsQueue, sqs_client
from tests.support.sqs import SESSION, URL, bodies, queue_of

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


def test_attributes_group_and_deduplication_are_sent(stub: Stubber) -> None:
    """Every part of a message is sent in the form that SQS documents."""
    stub.add_response(
        "send_message_batch",
        {"Successful": [{"Id": "0", "MessageId": "m", "MD5OfMessageBody": "0"}], "Failed": []},
        {
            "QueueUrl": URL,
            "Entries": [
                {
                    "Id": "0",
                    "MessageBody": "b",
                    "MessageAttributes": {
                        "raw": {"DataType": "Binary", "BinaryValue": b"\x00"},
                        "type": {"DataType": "String", "StringValue": "k"},
                    },
                    "MessageGroupId": "g",
                    "MessageDeduplicationId": "d",
                    "MessageSystemAttributes": {"AWSTraceHeader": {"DataType": "String", "StringValue": "t"}},
                }
            ],
        },
    )
    attributes = {"raw": Attribute(b"\x00", "Binary"), "type": Attribute("k")}
    assert queue_of(stub).send([Outgoing("b", attributes, "g", "d", "t")]) == {}


def test_a_received_message_is_read_in_full(stub: Stubber) -> None:
    """Times are in seconds, counts are numbers; a part that an emulator omits has a default."""
    stub.add_response(
        "receive_message",
        {
            "Messages": [
                {
                    "MessageId": "m",
                    "ReceiptHandle": "h",
                    "Body": json.dumps({"a": 1}),
                    "Attributes": {
                        "ApproximateReceiveCount": "3",
                        "ApproximateFirstReceiveTimestamp": "1700000001500",
                        "SentTimestamp": "1700000000500",
                        "MessageGroupId": "g",
                    },
                },
                {"MessageId": "n", "ReceiptHandle": "i", "Body": "x"},
            ]
        },
    )
    full, bare = queue_of(stub).receive(10)
    assert (full.receive_count, full.sent_at, full.first_received_at) == (3, 1_700_000_000.5, 1_700_000_001.5)
    assert (full.group, full.attributes) == ("g", {})
    assert (bare.receive_count, bare.group) == (1, None)


def test_an_unreachable_queue_refuses_every_position() -> None:
    """If SQS cannot be reached, every position is refused; only the methods that read raise an error."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with closing(sqs_client(SESSION, f"http://127.0.0.1:{unused.getsockname()[1]}")) as client:
            queue = SqsQueue(URL, client)
            assert list(queue.send(bodies(12))) == list(range(12))
            assert list(queue.delete(["h0", "h1"])) == [0, 1]
            assert list(queue.change_visibility([("h0", 0)])) == [0]
            with pytest.raises(QueueError, match="cannot be read: EndpointConnectionError"):
                queue.receive(1)
            with pytest.raises(QueueError, match="cannot be read"):
                queue.depth()


def test_a_client_is_made_without_boto3() -> None:
    """Importing the queue and making a client load botocore, but not boto3 with its S3 transfers."""
    code = (
        "import sys, penstock.queue; penstock.queue.sqs_client(); print({'boto3', 's3transfer'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_a_client_is_made_when_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A queue to which nothing is sent makes no client, and the threads of a large batch share one."""
    made: list[SQSClient] = []
    config = Config(connect_timeout=1, retries={"total_max_attempts": 1})

    def make() -> "SQSClient":
        made.append(SESSION.client("sqs", endpoint_url="http://127.0.0.1:9", config=config))
        return made[-1]

    monkeypatch.setattr("penstock.queue.sqs.sqs_client", make)
    queue = SqsQueue(URL)
    assert (queue.send([]), queue.delete([]), queue.change_visibility([]), made) == ({}, {}, {}, [])
    assert len(queue.send(bodies(40))) == 40
    assert len(made) == 1
