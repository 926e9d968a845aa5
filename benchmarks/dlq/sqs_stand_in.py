"""An SQS that takes the same time for each call, however many messages there are, in a process of its own.

The local AWS looks through the whole queue at every call: of 100,000 messages it gives some ten calls per second,
and nothing but that would be measured. Here are the calls that dead letters need, over HTTP as botocore speaks it,
each answered after a fixed time in place of a network. A queue gives nothing more while 120,000 are leased, and
leases do not run out. There is a stack, too, for the command line to find the queues by.

    python -m benchmarks.dlq.sqs_stand_in MILLISECONDS

prints its address, and ends with its standard input. A request of `fill N` leaves N dead letters and nothing else.
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


def letter(number: int) -> Outgoing:
    """Write a dead letter, one of three kinds, of a body of some 400 bytes, as the drain would."""
    kind, id_ = KINDS[number % len(KINDS)], str(UUID(int=number))
    data = {"sku": f"A{number}", "delta": -2, "note": "x" * PADDING}
    envelope = {"specversion": "1.0", "id": id_, "source": "/shop", "type": kind, "time": "2026-11-20T10:00:00Z"}
    body = json.dumps(envelope | {"datacontenttype": "application/json", "dataversion": 1, "data": data})
    fault = DataFault(Cause("NotNullViolation", sqlstate="23502", table="things", column="subject"))
    stamped = DeadLetter.of(
        fault, kind=kind, id=id_, receive_count=1, first_seen="2026-11-20T10:00:01Z", function_version="7"
    )
    return stamped.stamp(Outgoing(body, {"type": Attribute(kind)}))


class Messages:
    """The messages of one queue."""

    def __init__(self) -> None:
        self.kept: dict[int, str] = {}
        self.ready: deque[int] = deque()
        self.leased: set[int] = set()
        self.last = 0

    def add(self, body: str, attributes: dict[str, Any]) -> None:
        """Keep a message, written down as a receive will give it."""
        self.last += 1
        system = {"ApproximateReceiveCount": "1", "SentTimestamp": str(int(time.time() * 1000))}
        message = {"MessageId": str(UUID(int=self.last)), "ReceiptHandle": str(self.last), "Body": body}
        whole = message | {"Attributes": system, "MessageAttributes": attributes}
        self.kept[self.last] = json.dumps(whole, separators=(",", ":"))
        self.ready.append(self.last)

    def receive(self, asked: dict[str, Any]) -> str:
        """Lease the oldest."""
        room = min(int(asked["MaxNumberOfMessages"]), IN_FLIGHT_LIMIT - len(self.leased), len(self.ready))
        given = [self.ready.popleft() for _ in range(room)]
        self.leased.update(given)
        return f'{{"Messages":[{",".join(self.kept[number] for number in given)}]}}' if given else "{}"

    def send(self, asked: dict[str, Any]) -> str:
        """Take messages."""
        for entry in asked["Entries"]:
            self.add(entry["MessageBody"], entry.get("MessageAttributes", {}))
        return _successful(asked)

    def delete(self, asked: dict[str, Any]) -> str:
        """Delete messages."""
        for number in _numbers(asked):
            self.leased.discard(number)
            self.kept.pop(number, None)
        return _successful(asked)

    def give_back(self, asked: dict[str, Any]) -> str:
        """Make leased messages visible; no other change of a lease is needed here."""
        for number in _numbers(asked):
            if number in self.leased:
                self.leased.remove(number)
                self.ready.append(number)
        return _successful(asked)

    def attributes(self, _asked: dict[str, Any]) -> str:
        """Count the messages."""
        counts = {"": len(self.ready), "NotVisible": len(self.leased), "Delayed": 0}
        found = {f"ApproximateNumberOfMessages{name}": str(count) for name, count in counts.items()}
        return json.dumps({"Attributes": found | {"MessageRetentionPeriod": "1209600"}})


CALLS: dict[str, Callable[[Messages, dict[str, Any]], str]] = {
    "ReceiveMessage": Messages.receive,
    "SendMessageBatch": Messages.send,
    "DeleteMessageBatch": Messages.delete,
    "ChangeMessageVisibilityBatch": Messages.give_back,
    "GetQueueAttributes": Messages.attributes,
}


def _numbers(asked: dict[str, Any]) -> Iterator[int]:
    return (int(entry["ReceiptHandle"]) for entry in asked["Entries"])


def _successful(asked: dict[str, Any]) -> str:
    return json.dumps({"Successful": [{"Id": entry["Id"]} for entry in asked["Entries"]]})


class Connection(asyncio.Protocol):
    """One connection of a client: a request, an answer, and so on."""

    def __init__(self, queues: dict[str, Messages], seconds: float) -> None:
        self._queues = queues
        self._seconds = seconds
        self._got = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep where answers go."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer once a request is whole."""
        self._got += data
        head, found, body = self._got.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
        if not found or (length and len(body) < int(length[1])):
            return
        self._got = b""
        target = re.search(rb"x-amz-target: *AmazonSQS\.(\w+)", head, re.IGNORECASE)
        seconds, answer = self._answer(target[1].decode() if target else "", body)
        loop = asyncio.get_running_loop()
        loop.call_later(seconds, self._transport.write, answer)

    def _answer(self, call: str, body: bytes) -> tuple[float, bytes]:
        if not call:
            return 0, self._other(body)
        asked = json.loads(body)
        text = CALLS[call](self._queues[asked["QueueUrl"].rpartition("/")[2]], asked)
        # A receive that finds nothing waits as long as it was asked to.
        seconds = asked.get("WaitTimeSeconds", 0) if text == "{}" else self._seconds
        return seconds, _http("200 OK", text, "application/x-amz-json-1.0")

    def _other(self, body: bytes) -> bytes:
        """Answer what is no call to SQS: the filling, and the stack; the rest is refused."""
        if body.startswith(b"fill "):
            _fill(self._queues, int(body[5:]))
            return _http("200 OK", "", "text/plain")
        if b"DescribeStacks" not in body:
            return _http("400 Bad Request", "<ErrorResponse/>", "text/xml")
        urls = {name: f"{_url(self._transport)}/{name}" for name in (DEAD, MAIN)}
        return _http("200 OK", STACK_XML.format(**urls), "text/xml")


def _http(status: str, text: str, kind: str) -> bytes:
    body = text.encode()
    return f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def _url(transport: asyncio.BaseTransport) -> str:
    host, port = transport.get_extra_info("sockname")
    return f"http://{host}:{port}/1"


def _fill(queues: dict[str, Messages], letters: int) -> None:
    queues |= {DEAD: Messages(), MAIN: Messages()}
    for number in range(letters):
        message = letter(number)
        given = {
            name: {"DataType": one.type, "StringValue": one.value} for name, one in message.attributes.items()
        }
        queues[DEAD].add(message.body, given)


async def _serve(seconds: float) -> None:
    queues: dict[str, Messages] = {}
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(queues, seconds), "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


@contextmanager
def stand_in(call_ms: float) -> Iterator[str]:
    """Run it in a process of its own; give its address."""
    command = [sys.executable, "-m", "benchmarks.dlq.sqs_stand_in", str(call_ms)]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        yield process.stdout.readline().strip()
        process.stdin.close()


def refill(address: str, letters: int) -> None:
    """Leave so many dead letters and nothing else."""
    with urlopen(address, data=f"fill {letters}".encode()) as answer:  # noqa: S310 (our own address)
        assert answer.status == HTTPStatus.OK


if __name__ == "__main__":
    asyncio.run(_serve(float(sys.argv[1]) / 1000))
