"""One operation on dead letters in a separate process, for `make bench-dlq`.

    python -m benchmarks.dlq.operations NAME DEAD-LETTER-QUEUE-URL QUEUE-URL

prints a JSON object: elapsed seconds, processor seconds, and the peak resident memory in bytes. All libraries are
imported before the clock starts.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import boto3
from botocore.config import Config

from benchmarks.drain.memory import peak_bytes
from penstock.deadletters import Plan, Replayed, Selector, replay, scan
from penstock.deadletters.archive.export import export as export_all
from penstock.deadletters.archive.file import Archive
from penstock.deadletters.stats import By, count_by
from penstock.queue import SqsQueue

THREADS: Final = 16
WAIT_SECONDS = 1
KIND: Final = "stock.adjusted"


def stats(dead_url: str, _main_url: str) -> Callable[[], None]:
    """Count all dead letters, as `penstock dlq stats` does."""
    dead = SqsQueue(dead_url)

    def run() -> None:
        with closing(scan(dead)) as found:
            count_by(found, [By.KIND, By.FAULT, By.FINGERPRINT], time.time())

    return run


def export(dead_url: str, _main_url: str) -> Callable[[], None]:
    """Write all dead letters to a compressed file, as `penstock dlq export` does."""
    dead = SqsQueue(dead_url)

    def run() -> None:
        with TemporaryDirectory() as folder, Archive(Path(folder) / "letters.jsonl.gz") as archive:
            export_all(dead, archive, Selector.all())

    return run


def replay_third(dead_url: str, main_url: str) -> Callable[[], None]:
    """Replay the dead letters of one kind, a third of all."""
    return _replay(dead_url, main_url, Selector.of(kinds=[KIND]))


def replay_all(dead_url: str, main_url: str) -> Callable[[], None]:
    """Replay all dead letters."""
    return _replay(dead_url, main_url, Selector.all())


def _replay(dead_url: str, main_url: str, selector: Selector) -> Callable[[], None]:
    dead, main = SqsQueue(dead_url), SqsQueue(main_url)

    def run() -> None:
        with Path(os.devnull).open("w") as out:

            def write_result(result: Replayed) -> None:
                out.write(json.dumps(asdict(result), default=str))

            replay(dead, main, Plan(selector=selector), on_result=write_result)

    return run


def plain_receive(dead_url: str, _main_url: str) -> Callable[[], None]:
    """Receive all messages, and do nothing with them."""
    client = _client()
    return lambda: _run_in_threads(lambda: _receive(client, dead_url))


def plain_give_back(dead_url: str, _main_url: str) -> Callable[[], None]:
    """Receive all messages, then make them visible again."""
    client = _client()

    def run() -> None:
        batches: list[Any] = []

        def receive() -> bool:
            messages = _receive(client, dead_url)
            batches.extend([_receipt_handles(messages, VisibilityTimeout=0)] if messages else [])
            return bool(messages)

        def give_back() -> bool:
            with suppress(IndexError):
                client.change_message_visibility_batch(QueueUrl=dead_url, Entries=batches.pop())
            return bool(batches)

        _run_in_threads(receive)
        _run_in_threads(give_back)

    return run


def plain_third(dead_url: str, main_url: str) -> Callable[[], None]:
    """Move the messages of one kind, a third of all."""
    return _move(dead_url, main_url, lambda message: message["MessageAttributes"]["type"]["StringValue"] == KIND)


def plain_all(dead_url: str, main_url: str) -> Callable[[], None]:
    """Move all messages."""
    return _move(dead_url, main_url, lambda _message: True)


def _move(dead_url: str, main_url: str, matches: Callable[[Any], bool]) -> Callable[[], None]:
    """Receive, send and delete 10 messages per call, as the examples of the AWS documentation do."""
    client = _client()

    def move() -> bool:
        messages = _receive(client, dead_url)
        if selected := list(filter(matches, messages)):
            client.send_message_batch(
                QueueUrl=main_url, Entries=[_entry(n, message) for n, message in enumerate(selected)]
            )
            client.delete_message_batch(QueueUrl=dead_url, Entries=_receipt_handles(selected))
        return bool(messages)

    return lambda: _run_in_threads(move)


def _client() -> Any:
    return boto3.client("sqs", config=Config(max_pool_connections=2 * THREADS))


def _receive(client: Any, url: str) -> Any:
    names = {"MessageAttributeNames": ["All"], "MessageSystemAttributeNames": ["All"]}
    return client.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=WAIT_SECONDS, VisibilityTimeout=3600, **names
    ).get("Messages", [])


def _receipt_handles(messages: Any, **more: Any) -> Any:
    return [
        {"Id": str(n), "ReceiptHandle": message["ReceiptHandle"], **more} for n, message in enumerate(messages)
    ]


def _entry(number: int, message: Any) -> Any:
    return {"Id": str(number), "MessageBody": message["Body"], "MessageAttributes": message["MessageAttributes"]}


def _run_in_threads(step: Callable[[], Any]) -> None:
    """Repeat a step in each of `THREADS` threads until it returns a false value."""

    def work(_number: int) -> None:
        while step():
            pass

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(work, range(THREADS)))


OPERATIONS: Final = {
    "stats": stats,
    "export": export,
    "plain receive": plain_receive,
    "plain receive and give back": plain_give_back,
    "replay of a third": replay_third,
    "plain third": plain_third,
    "replay of all": replay_all,
    "plain all": plain_all,
}


def measure(run: Callable[[], None]) -> str:
    """Run an operation; return its figures as JSON."""
    started, cpu = time.perf_counter(), time.process_time()
    run()
    figures = {
        "seconds": time.perf_counter() - started,
        "cpu_seconds": time.process_time() - cpu,
        "peak": peak_bytes(),
    }
    return json.dumps(figures)


if __name__ == "__main__":
    _name, _dead_url, _main_url = sys.argv[1:]
    print(measure(OPERATIONS[_name](_dead_url, _main_url)))
