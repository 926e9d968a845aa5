"""Penstock's consumer: as many drains as the concurrency allows, each with a pool of one connection.

Each drain is a thread that does what Lambda's event source mapping does: it waits for the batching window,
receives a batch, invokes the handler, and deletes what the handler does not hand back.
"""

import logging
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.synchronize import Event
from typing import Final

from benchmarks.storm.processes import PROCESSES
from benchmarks.storm.table import Requested, table
from penstock.consumer import Append, Drain
from penstock.queue import BATCH_LIMIT, QueueError, Received, SqsQueue
from penstock.settings import Settings
from penstock.testing import LambdaContext, sqs_event

CONCURRENCY: Final = 5
"""The maximum concurrency, and so the budget: each drain has one connection."""

BATCH: Final = 1000
WINDOW_SECONDS: Final = 1.0
TIMEOUT_SECONDS: Final = 30.0
VISIBILITY_SECONDS: Final = 181
"""These numbers are the defaults of Penstock's infrastructure (penstock/infra/parts)."""


@contextmanager
def drains(settings: Settings, environment: Mapping[str, str]) -> Iterator[None]:
    """Run the drains in a process of their own.

    Args:
        settings: name the database, the queue and the dead-letter queue.
        environment: the environment variables of the drains.
    """
    stopped = PROCESSES.Event()
    process = PROCESSES.Process(target=_run, args=(settings, environment, stopped))
    process.start()
    try:
        yield
    finally:
        stopped.set()
        process.join()


def _run(settings: Settings, environment: Mapping[str, str], stopped: Event) -> None:
    os.environ.update(environment)
    # The drain logs each batch that it hands back while Postgres is down.
    logging.getLogger("penstock").addHandler(logging.NullHandler())
    workers = [threading.Thread(target=_drain, args=(settings, stopped)) for _ in range(CONCURRENCY)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def _drain(settings: Settings, stopped: Event) -> None:
    drain = Drain(settings)
    drain.write(Requested, Append(table))
    queue = SqsQueue(settings.queue_url)
    while not stopped.wait(WINDOW_SECONDS):
        if messages := _receive(queue):
            _invoke(drain, queue, messages)


def _receive(queue: SqsQueue) -> list[Received]:
    messages: list[Received] = []
    try:
        while len(messages) < BATCH and (
            more := queue.receive(BATCH_LIMIT, visibility_seconds=VISIBILITY_SECONDS)
        ):
            messages += more
    except QueueError:
        # What was received so far is drained; the rest comes with the next batch.
        pass
    return messages


def _invoke(drain: Drain, queue: SqsQueue, messages: list[Received]) -> None:
    answer = drain.handler(sqs_event(messages), LambdaContext(TIMEOUT_SECONDS))
    failed = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
    queue.delete([message.receipt_handle for message in messages if message.message_id not in failed])
