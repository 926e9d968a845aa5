"""A fake SQS in a separate process: each call takes the same time, for any number of messages.

The local AWS scans the whole queue at every call. With 100,000 messages it answers about ten calls per second, and
the benchmark would measure only that. This fake implements the calls that dead letters need, over the HTTP
protocol of botocore, and answers each after a fixed time that stands for the network. A queue delivers no more
messages while 120,000 are leased, and leases do not expire. The fake also answers DescribeStacks, by which the
command line finds the queues.

    python -m benchmarks.dlq.fake_sqs MILLISECONDS

prints its address, and exits when its standard input is closed. The request `fill N` replaces all messages by N
dead letters.
"""

import asyncio
import json
import re
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final
from urllib.request import urlopen
from uuid import UUID

from penstock.consumer.dead_letter import DeadLetter
from penstock.consumer.faults.tree import Cause, DataFault
from penstock.queue import Attribute, Outgoing

IN_FLIGHT_LIMIT: Final = 120_000
DEAD, MAIN = "dead", "main"
KINDS = ("order.placed", "stock.adjusted", "email.requested")
PADDING = 240
STACK_XML = """<DescribeStacksResponse xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/"><DescribeStacksResult>
<Stacks><member><StackName>bench-dev</StackName><StackStatus>CREATE_COMPLETE</StackStatus>
<CreationTime>2026-01-01T00:00:00Z</CreationTime><Outputs>
<member><OutputKey>QueueUrl</OutputKey><OutputValue>{main}</OutputValue></member>
<member><OutputKey>DeadLetterQueueUrl</OutputKey><OutputValue>{dead}</OutputValue></member>
</Outputs></member></Stacks></DescribeStacksResult></DescribeStacksResponse>"""


def dead_letter(number: int) -> Outgoing:
    """Return a dead letter as the drain would send it: one of three kinds, with a body of about 400 bytes."""
    kind, id_ = KINDS[number % len(KINDS)], str(UUID(int=number))
    data = {"sku": f"A{number}", "delta": -2, "note": "x" * PADDING}
    envelope = {"specversion": "1.0", "id": id_, "source": "/shop", "type": kind, "time": "2026-11-20T10:00:00Z"}
    body = json.dumps(envelope | {"datacontenttype": "application/json", "dataversion": 1, "data": data})
    fault = DataFault(Cause("NotNullViolation", sqlstate="23502", table="things", column="subject"))
    stamped = DeadLetter.of(
        fault, kind=kind, id=id_, receive_count=1, first_seen="2026-11-20T10:00:01Z", function_version="7"
    )
    return stamped.stamp(Outgoing(body, {"type": Attribute(kind)}))


class FakeQueue:
    """The messages of one queue."""

    def __init__(self) -> None:
        self.stored: dict[int, str] = {}
        self.ready: deque[int] = deque()
        self.leased: set[int] = set()
        self.last_number = 0

    def add(self, body: str, attributes: dict[str, Any]) -> None:
        """Store a message, already serialized as ReceiveMessage returns it."""
        self.last_number += 1
        system = {"ApproximateReceiveCount": "1", "SentTimestamp": str(int(time.time() * 1000))}
        message = {
            "MessageId": str(UUID(int=self.last_number)),
            "ReceiptHandle": str(self.last_number),
            "Body": body,
        }
        whole = message | {"Attributes": system, "MessageAttributes": attributes}
        self.stored[self.last_number] = json.dumps(whole, separators=(",", ":"))
        self.ready.append(self.last_number)

    def receive(self, request: dict[str, Any]) -> str:
        """Lease the oldest messages."""
        count = min(int(request["MaxNumberOfMessages"]), IN_FLIGHT_LIMIT - len(self.leased), len(self.ready))
        given = [self.ready.popleft() for _ in range(count)]
        self.leased.update(given)
        return f'{{"Messages":[{",".join(self.stored[number] for number in given)}]}}' if given else "{}"

    def send_one(self, request: dict[str, Any]) -> str:
        """Store one message."""
        self.add(request["MessageBody"], request.get("MessageAttributes", {}))
        return json.dumps({"MessageId": str(UUID(int=self.last_number))})

    def send(self, request: dict[str, Any]) -> str:
        """Store the messages of a batch."""
        for entry in request["Entries"]:
            self.add(entry["MessageBody"], entry.get("MessageAttributes", {}))
        return _all_successful(request)

    def delete(self, request: dict[str, Any]) -> str:
        """Delete messages."""
        for number in _message_numbers(request):
            self.leased.discard(number)
            self.stored.pop(number, None)
        return _all_successful(request)

    def make_visible(self, request: dict[str, Any]) -> str:
        """Make leased messages visible; the benchmark needs no other visibility timeout."""
        for number in _message_numbers(request):
            if number in self.leased:
                self.leased.remove(number)
                self.ready.append(number)
        return _all_successful(request)

    def attributes(self, _request: dict[str, Any]) -> str:
        """Count the messages."""
        counts = {"": len(self.ready), "NotVisible": len(self.leased), "Delayed": 0}
        found = {f"ApproximateNumberOfMessages{name}": str(count) for name, count in counts.items()}
        return json.dumps({"Attributes": found | {"MessageRetentionPeriod": "1209600"}})


CALLS: dict[str, Callable[[FakeQueue, dict[str, Any]], str]] = {
    "ReceiveMessage": FakeQueue.receive,
    "SendMessage": FakeQueue.send_one,
    "SendMessageBatch": FakeQueue.send,
    "DeleteMessageBatch": FakeQueue.delete,
    "ChangeMessageVisibilityBatch": FakeQueue.make_visible,
    "GetQueueAttributes": FakeQueue.attributes,
}


def _message_numbers(request: dict[str, Any]) -> Iterator[int]:
    return (int(entry["ReceiptHandle"]) for entry in request["Entries"])


def _all_successful(request: dict[str, Any]) -> str:
    return json.dumps({"Successful": [{"Id": entry["Id"]} for entry in request["Entries"]]})


class Connection(asyncio.Protocol):
    """One HTTP connection of a client."""

    def __init__(self, queues: dict[str, FakeQueue], seconds: float) -> None:
        self._queues = queues
        self._seconds = seconds
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport for the responses."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer as soon as a request is complete."""
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
        if not found or (length and len(body) < int(length[1])):
            return
        self._received = b""
        target = re.search(rb"x-amz-target: *AmazonSQS\.(\w+)", head, re.IGNORECASE)
        seconds, answer = self._answer(target[1].decode() if target else "", body)
        loop = asyncio.get_running_loop()
        loop.call_later(seconds, self._transport.write, answer)

    def _answer(self, call: str, body: bytes) -> tuple[float, bytes]:
        if not call:
            return 0, self._answer_other(body)
        request = json.loads(body)
        text = CALLS[call](self._queues[request["QueueUrl"].rpartition("/")[2]], request)
        # A receive that finds nothing waits for its WaitTimeSeconds.
        seconds = request.get("WaitTimeSeconds", 0) if text == "{}" else self._seconds
        return seconds, _http_response("200 OK", text, "application/x-amz-json-1.0")

    def _answer_other(self, body: bytes) -> bytes:
        """Answer requests that are no call to SQS: `fill N` and DescribeStacks; all others are refused."""
        if body.startswith(b"fill "):
            _fill_queues(self._queues, int(body[5:]))
            return _http_response("200 OK", "", "text/plain")
        if b"DescribeStacks" not in body:
            return _http_response("400 Bad Request", "<ErrorResponse/>", "text/xml")
        urls = {name: f"{_url(self._transport)}/{name}" for name in (DEAD, MAIN)}
        return _http_response("200 OK", STACK_XML.format(**urls), "text/xml")


def _http_response(status: str, text: str, kind: str) -> bytes:
    body = text.encode()
    return f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def _url(transport: asyncio.BaseTransport) -> str:
    host, port = transport.get_extra_info("sockname")
    return f"http://{host}:{port}/1"


def _fill_queues(queues: dict[str, FakeQueue], count: int) -> None:
    queues |= {DEAD: FakeQueue(), MAIN: FakeQueue()}
    for number in range(count):
        message = dead_letter(number)
        given = {
            name: {"DataType": one.type, "StringValue": one.value} for name, one in message.attributes.items()
        }
        queues[DEAD].add(message.body, given)


async def _serve(seconds: float) -> None:
    queues: dict[str, FakeQueue] = {}
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(queues, seconds), "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


@contextmanager
def fake_sqs(call_ms: float) -> Iterator[str]:
    """Run the fake SQS in a separate process; give its address.

    Args:
        call_ms: the duration of each call, in milliseconds.
    """
    command = [sys.executable, "-m", "benchmarks.dlq.fake_sqs", str(call_ms)]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        yield process.stdout.readline().strip()
        process.stdin.close()


def refill(address: str, count: int) -> None:
    """Replace all messages by a number of dead letters."""
    with urlopen(address, data=f"fill {count}".encode()) as answer:  # noqa: S310 (our own address)
        assert answer.status == HTTPStatus.OK


if __name__ == "__main__":
    asyncio.run(_serve(float(sys.argv[1]) / 1000))
