"""What stands between the instances of each contender and Postgres."""

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import boto3

from benchmarks.storm.drains import CONCURRENCY, VISIBILITY_SECONDS, drains
from benchmarks.storm.model import Storm
from benchmarks.storm.pgbouncer import POOL_SIZE, pgbouncer
from penstock.local.aws import LocalAws
from penstock.local.postgres import Postgres
from penstock.local.processes import wait_until
from penstock.queue import SqsQueue
from penstock.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

ROOT: Final = Path(__file__).parents[2]
DRAINED_SECONDS: Final = 120.0
"""How long the drains may take after the storm. What is not written by then counts as lost."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where instances write to.

    Attributes:
        address: what each instance gets.
        budget: the connections to Postgres that there may be; None if nothing but Postgres bounds them.
        environment: the environment variables of the instances.
        settle: waits, after the storm, until nothing is on its way to Postgres.
    """

    address: str
    budget: int | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    settle: Callable[[], object] = lambda: None


@contextmanager
def directly(_postgres: Postgres, url: str, _storm: Storm) -> Iterator[Place]:
    """Nothing stands between them."""
    yield Place(url)


@contextmanager
def through_pgbouncer(postgres: Postgres, url: str, storm: Storm) -> Iterator[Place]:
    """PgBouncer stands between them."""
    with pgbouncer(postgres, url, storm) as address:
        yield Place(address, POOL_SIZE)


@contextmanager
def through_the_queue(_postgres: Postgres, url: str, _storm: Storm) -> Iterator[Place]:
    """A queue of the local AWS and the drains stand between them."""
    with tempfile.TemporaryDirectory(prefix="penstock-bench-") as folder:
        aws = LocalAws(Path(folder), environment=ROOT / ".penstock" / "aws-environment")
        aws.start()
        try:
            environment = aws.client_environment()
            with closing(_client(environment)) as client:
                queue_url, dead_url = _queues(client)
                settings = Settings(queue_url=queue_url, dead_letter_queue_url=dead_url, database_url=url)
                queue = SqsQueue(queue_url, client)
                with drains(settings, environment):
                    yield Place(queue_url, CONCURRENCY, environment, lambda: _wait_until_empty(queue))
        finally:
            aws.stop()


def _client(environment: Mapping[str, str]) -> "SQSClient":
    session = boto3.Session(
        environment["AWS_ACCESS_KEY_ID"],
        environment["AWS_SECRET_ACCESS_KEY"],
        region_name=environment["AWS_REGION"],
    )
    return session.client("sqs", endpoint_url=environment["AWS_ENDPOINT_URL"])


def _queues(client: "SQSClient") -> tuple[str, str]:
    """Create the queue and its dead-letter queue as Penstock's parts do; return their URLs."""
    dead = client.create_queue(QueueName="storm-dead")["QueueUrl"]
    arn = client.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    redrive = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 100})
    made = client.create_queue(
        QueueName="storm", Attributes={"VisibilityTimeout": str(VISIBILITY_SECONDS), "RedrivePolicy": redrive}
    )
    return made["QueueUrl"], dead


def _wait_until_empty(queue: SqsQueue) -> None:
    wait_until(lambda: queue.depth().total == 0, DRAINED_SECONDS)
