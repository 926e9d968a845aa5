"""One operation on dead letters, in a process of its own, for `make bench-dlq`.

    python -m benchmarks.dlq.runs NAME URL-OF-THE-DEAD URL-OF-THE-MAIN

prints a JSON object: seconds, CPU seconds, and the most memory that was resident at any moment, in bytes. The
libraries are there before the clock starts.
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

from benchmarks.drain.memory import peak
from penstock.deadletters import Plan, Replayed, Selector, replay, scan
from penstock.deadletters.archive.export import export as write
from penstock.deadletters.archive.file import Archive
from penstock.deadletters.stats import By, count_by
from penstock.queue import SqsQueue

THREADS: Final = 16
WAIT_SECONDS = 1
KIND: Final = "stock.adjusted"


def stats(dead_url: str, _main_url: str) -> Callable[[], None]:
    """Count all of them, as `penstock dlq stats` does."""
    dead = SqsQueue(dead_url)

    def run() -> None:
        with closing(scan(dead)) as found:
            count_by(found, [By.KIND, By.FAULT, By.FINGERPRINT], time.time())

    return run


def export(dead_url: str, _main_url: str) -> Callable[[], None]:
    """Write all of them to a compressed file, as `penstock dlq export` does."""
    dead = SqsQueue(dead_url)

    def run() -> None:
        with TemporaryDirectory() as folder, Archive(Path(folder) / "letters.jsonl.gz") as archive:
            write(dead, archive, Selector.all())

    return run


def replay_third(dead_url: str, main_url: str) -> Callable[[], None]:
    """Replay one kind of three."""
    return _replay(dead_url, main_url, Selector.of(kinds=[KIND]))


def replay_all(dead_url: str, main_url: str) -> Callable[[], None]:
    """Replay all of them."""
    return _replay(dead_url, main_url, Selector.all())


def _replay(dead_url: str, main_url: str, selector: Selector) -> Callable[[], None]:
    dead, main = SqsQueue(dead_url), SqsQueue(main_url)

    def run() -> None:
        with Path(os.devnull).open("w") as out:

            def tell(one: Replayed) -> None:
                out.write(json.dumps(asdict(one), default=str))

            replay(dead, main, Plan(selector=selector), on_result=tell)

    return run


def plain_receive(dead_url: str, _main_url: str) -> Callable[[], None]:
    """Receive everything, and do nothing with it."""
    client = _client()
    return lambda: _work(lambda: _received(client, dead_url))


def plain_give_back(dead_url: str, _main_url: str) -> Callable[[], None]:
    """Receive everything, then make it visible again."""
    client = _client()

    def run() -> None:
        chunked: list[Any] = []

        def receive() -> bool:
            messages = _received(client, dead_url)
            chunked.extend([_handles(messages, VisibilityTimeout=0)] if messages else [])
            return bool(messages)

        def give_back() -> bool:
            with suppress(IndexError):
                client.change_message_visibility_batch(QueueUrl=dead_url, Entries=chunked.pop())
            return bool(chunked)

        _work(receive)
        _work(give_back)

    return run


def plain_third(dead_url: str, main_url: str) -> Callable[[], None]:
    """Move one kind of three."""
    return _move(dead_url, main_url, lambda message: message["MessageAttributes"]["type"]["StringValue"] == KIND)


def plain_all(dead_url: str, main_url: str) -> Callable[[], None]:
    """Move all of them."""
    return _move(dead_url, main_url, lambda _message: True)


def _move(dead_url: str, main_url: str, meant: Callable[[Any], bool]) -> Callable[[], None]:
    """Receive, send, delete, in tens, as the documentation's examples do."""
    client = _client()

    def move() -> bool:
        messages = _received(client, dead_url)
        if some := list(filter(meant, messages)):
            client.send_message_batch(QueueUrl=main_url, Entries=[_entry(n, one) for n, one in enumerate(some)])
            client.delete_message_batch(QueueUrl=dead_url, Entries=_handles(some))
        return bool(messages)

    return lambda: _work(move)


def _client() -> Any:

    return boto3.client("sqs", config=Config(max_pool_connections=2 * THREADS))


def _received(client: Any, url: str) -> Any:
    wanted = {"MessageAttributeNames": ["All"], "MessageSystemAttributeNames": ["All"]}
    return client.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=WAIT_SECONDS, VisibilityTimeout=3600, **wanted
    ).get("Messages", [])


def _handles(messages: Any, **more: Any) -> Any:
    return [{"Id": str(n), "ReceiptHandle": one["ReceiptHandle"], **more} for n, one in enumerate(messages)]


def _entry(number: int, message: Any) -> Any:
    return {"Id": str(number), "MessageBody": message["Body"], "MessageAttributes": message["MessageAttributes"]}


def _work(once: Callable[[], Any]) -> None:
    """Do it in so many threads until there is no more of it."""

    def work(_number: int) -> None:
        while once():
            pass

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(work, range(THREADS)))


RUNS: Final = {
    "stats": stats,
    "export": export,
    "plain receive": plain_receive,
    "plain receive and give back": plain_give_back,
    "replay of a third": replay_third,
    "plain third": plain_third,
    "replay of all": replay_all,
    "plain all": plain_all,
}


def measured(run: Callable[[], None]) -> str:
    """Run it and return its figures."""
    begun, cpu = time.perf_counter(), time.process_time()
    run()
    figures = {"seconds": time.perf_counter() - begun, "cpu_seconds": time.process_time() - cpu, "peak": peak()}
    return json.dumps(figures)


if __name__ == "__main__":
    _name, _dead_url, _main_url = sys.argv[1:]
    print(measured(RUNS[_name](_dead_url, _main_url)))
