"""The memory of a producer function: resident bytes after many requests to its handler.

A separate process calls the shop's handlers as API Gateway does, with the stub in place of SQS: writes, repeated
writes, batches, and requests that are refused. No two requests are the same. A function instance lives for hours:
memory that grows with the number of requests is a leak. Pydantic's cache of short strings does grow, to 16,384
entries, which take about a MiB.
"""

import gc
import importlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil

from benchmarks.emit.rounds import request
from benchmarks.emit.stub import URL, stub
from benchmarks.figures import Figure
from penstock.producer import Producer, emitter
from penstock.queue import SqsQueue, sqs_client
from penstock.settings import Settings
from penstock.testing import LambdaContext

MARKS = (1_000, 10_000, 100_000)
"""The numbers of requests after which memory is measured."""

AT_MOST_MIB = 2.0
MIB = 2**20


def memory_figures(marks: Sequence[int]) -> Iterator[Figure]:
    """Measure the memory at each mark above that at the first, in a separate process."""
    command = [sys.executable, "-m", "benchmarks.emit.memory", *map(str, marks)]
    project = Path(__file__).parents[2]
    child = subprocess.run(command, check=True, capture_output=True, text=True, cwd=project)
    first, *later = json.loads(child.stdout)
    for mark, resident in zip(marks[1:], later, strict=True):
        name = f"memory: {mark:,} requests above {marks[0]:,}"
        yield Figure(name, (resident - first) / MIB, unit="MiB", at_most=AT_MOST_MIB)


def main(marks: Sequence[int]) -> None:
    """Print the resident bytes at each mark, as JSON."""
    send, process, resident = request_sender(), psutil.Process(), []
    for number in range(1, marks[-1] + 1):
        send(number)
        if number in marks:
            gc.collect()
            resident.append(process.memory_info().rss)
    print(json.dumps(resident))


def request_sender(replace: Callable[[Any, str, Any], object] = setattr) -> Callable[[int], None]:
    """Return a function that sends the request with a number to the shop's handlers.

    Args:
        replace: sets an attribute; it replaces the environment's producer by one that uses the stub.
    """
    client = sqs_client()
    stub(client, 0)
    producer = Producer(Settings(receipt_key="k" * 32, source="/shop"), SqsQueue(URL, client))
    # Not a mock, which would record every call.
    replace(emitter, "environment_producer", lambda: producer)
    stock, batches = (importlib.import_module(f"producer.{name}").handler for name in ("stock", "batches"))

    def send(number: int) -> None:
        handler = batches if number % 50 == 0 else stock
        handler(_event(number), LambdaContext())

    return send


def _event(number: int) -> dict[str, Any]:
    """Make a unique request: every seventh is refused, every fiftieth is a batch."""
    event, sku = request(), f"sku-{number}"
    event["headers"] |= {"idempotency-key": f"key-{number // 2}", "x-other": sku, "prefer": f"wait={number}"}
    if number % 50 == 0:
        item = {"type": "stock.adjusted", "data": {"sku": sku, "delta": number}, "idempotencyKey": sku}
        route = {"routeKey": "POST /batches", "rawPath": "/batches", "pathParameters": None}
        return event | route | {"body": json.dumps([item, {"type": sku}])}
    body = {"delta": number} if number % 7 else {"delta": sku, sku: number}
    return event | {
        "rawPath": f"/stock/{sku}/adjustments",
        "pathParameters": {"sku": sku},
        "body": json.dumps(body),
    }


if __name__ == "__main__":
    os.environ |= {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
    main([int(mark) for mark in sys.argv[1:]])
