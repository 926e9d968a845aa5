"""Where `make bench-emit` emits to: a stub in place of SQS, and the local AWS."""

import importlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from unittest import mock

import boto3

from benchmarks.emit.stub import URL, stub
from penstock.local.aws import LocalAws
from penstock.producer import Producer, emitter
from penstock.queue import SqsQueue, sqs_client
from penstock.settings import Settings

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
KEY = "k" * 32


@dataclass(frozen=True, slots=True)
class Bench:
    """Both sides, emitting to the same queue.

    Attributes:
        bare: the plain function's module.
        url: the queue's.
        empty: empties the queue.
        secret: the ARN of a secret that holds the receipts' key; None where there is no Secrets Manager.
    """

    bare: ModuleType
    url: str
    empty: Callable[[], object]
    secret: str | None = None


@contextmanager
def stubbed(seconds: float) -> Iterator[Bench]:
    """Emit to a stub: each call takes a fixed number of seconds and succeeds."""
    bare, client = _bare(), sqs_client()
    stub(bare.sqs, seconds)
    stub(client, seconds)
    with _producing(SqsQueue(URL, client), URL):
        yield Bench(bare, URL, lambda: None)


@contextmanager
def local() -> Iterator[Bench]:
    """Emit to a queue of the local AWS."""
    with tempfile.TemporaryDirectory(prefix="penstock-bench-") as folder:
        aws = LocalAws(Path(folder), environment=ROOT / ".penstock" / "aws-environment")
        aws.start()
        try:
            with mock.patch.dict(os.environ, aws.client_environment()):
                bare, client = _bare(), sqs_client()
                url = client.create_queue(QueueName="bench")["QueueUrl"]
                with _producing(SqsQueue(url, client), url):
                    yield Bench(bare, url, lambda: client.purge_queue(QueueUrl=url), _secret())
        finally:
            aws.stop()


def _bare() -> ModuleType:
    """Import the plain function anew, with a client for what the environment says now."""
    sys.modules.pop("benchmarks.emit.bare", None)
    return importlib.import_module("benchmarks.emit.bare")


@contextmanager
def _producing(queue: SqsQueue, url: str) -> Iterator[None]:
    producer = Producer(Settings(receipt_key=KEY, source="/shop"), queue)
    with (
        # A mock would cost each emit a fiftieth of its time.
        mock.patch.object(emitter, "environment_producer", lambda: producer),  # noqa: PT008
        mock.patch.dict(os.environ, {"PENSTOCK_QUEUE_URL": url}),
    ):
        yield


def _secret() -> str:
    with closing(boto3.client("secretsmanager")) as client:
        return client.create_secret(Name="receipt-key", SecretString=KEY)["ARN"]
