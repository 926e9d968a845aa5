"""The endpoints that `make bench-emit` emits to: a stub in place of SQS, and the local AWS."""

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
class Endpoint:
    """A queue, and both producers configured to send to it.

    Attributes:
        bare: the module of the function without a framework.
        url: the URL of the queue.
        purge: removes all messages from the queue.
        producer: makes a producer with this limit of a pack, in bytes.
        secret: the ARN of a secret that contains the receipt key; None without Secrets Manager.
    """

    bare: ModuleType
    url: str
    purge: Callable[[], object]
    producer: Callable[[int], Producer]
    secret: str | None = None


@contextmanager
def stub_endpoint(seconds: float) -> Iterator[Endpoint]:
    """Emit to a stub, whose calls all succeed.

    Args:
        seconds: the duration of each call.
    """
    bare, client = _import_bare(), sqs_client()
    stub(bare.sqs, seconds)
    stub(client, seconds)
    with _producer_environment(SqsQueue(URL, client), URL) as producer:
        yield Endpoint(bare, URL, lambda: None, producer)


@contextmanager
def local_endpoint() -> Iterator[Endpoint]:
    """Emit to a queue of the local AWS."""
    with tempfile.TemporaryDirectory(prefix="penstock-bench-") as folder:
        aws = LocalAws(Path(folder), environment=ROOT / ".penstock" / "aws-environment")
        aws.start()
        try:
            with mock.patch.dict(os.environ, aws.client_environment()):
                bare, client = _import_bare(), sqs_client()
                url = client.create_queue(QueueName="bench")["QueueUrl"]
                with _producer_environment(SqsQueue(url, client), url) as producer:
                    yield Endpoint(bare, url, lambda: client.purge_queue(QueueUrl=url), producer, _create_secret())
        finally:
            aws.stop()


def _import_bare() -> ModuleType:
    """Import the bare function again, with a client for the present environment."""
    sys.modules.pop("benchmarks.emit.bare", None)
    return importlib.import_module("benchmarks.emit.bare")


@contextmanager
def _producer_environment(queue: SqsQueue, url: str) -> Iterator[Callable[[int], Producer]]:
    def make(pack_limit: int) -> Producer:
        return Producer(Settings(receipt_key=KEY, source="/shop", pack_limit=pack_limit), queue)

    producer = make(0)
    with (
        # A mock would add 2 % to the time of each emit.
        mock.patch.object(emitter, "environment_producer", lambda: producer),  # noqa: PT008
        mock.patch.dict(os.environ, {"PENSTOCK_QUEUE_URL": url}),
    ):
        yield make


def _create_secret() -> str:
    with closing(boto3.client("secretsmanager")) as client:
        return client.create_secret(Name="receipt-key", SecretString=KEY)["ARN"]
