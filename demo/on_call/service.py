"""The service of the incidents: a local stack of the shop, and a folder in which the commands find it."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import boto3
import psycopg

from demo.requests import Request, send
from penstock.local import state
from penstock.local.aws import ACCESS_KEY
from penstock.local.processes import wait_until
from penstock.local.stack import LocalDeployment
from penstock.local.state import LocalState
from penstock.queue import SqsQueue, sqs_client

_PROJECT = Path(__file__).parent.parent.parent
_PARTS = ("pyproject.toml", "serverless.yml", "infra", "producer", "consumer", "shared", "penstock", "build")
_LIMIT_SECONDS = 90


@dataclass(frozen=True, slots=True)
class Service:
    """A stack with traffic, which has incidents.

    Attributes:
        stack: the stack.
        local: its addresses.
        folder: the folder in which commands find it.
    """

    stack: LocalDeployment
    local: LocalState
    folder: Path

    def queue(self, url: str) -> SqsQueue:
        """Return one of the queues, by its URL."""
        session = boto3.Session(ACCESS_KEY, ACCESS_KEY, region_name=self.local.region)
        return SqsQueue(url, sqs_client(session, self.local.endpoint_url))

    def send(self, requests: list[Request]) -> None:
        """Send requests, each of which has to be answered 202."""
        statuses = {answer.status for answer in send(requests, self.local.api_url, dict(self.local.api_headers))}
        if statuses != {202}:
            raise RuntimeError(f"the API answered {statuses}")

    def execute(self, sql: str) -> None:
        """Change the database by hand."""
        with psycopg.connect(self.local.database_url, autocommit=True) as connection:
            connection.execute(sql.encode())

    def count(self, sql: str) -> int:
        """Return the number that a query selects."""
        with psycopg.connect(self.local.database_url) as connection:
            row = connection.execute(sql.encode()).fetchone()
        return int(row[0]) if row else 0

    def wait(self, what: str, condition: Callable[[], bool]) -> None:
        """Wait for a condition.

        Raises:
            TimeoutError: it does not become true.
        """
        wait_until(condition, _LIMIT_SECONDS)
        if not condition():
            raise TimeoutError(f"not after {_LIMIT_SECONDS} s: {what}")

    def wait_until_drained(self) -> None:
        """Wait until nothing is on the queue, in flight or otherwise."""
        queue = self.queue(self.local.queue_url)
        self.wait("the queue is empty", lambda: queue.depth().total == 0)


@contextmanager
def service(progress: Callable[[str], None]) -> Iterator[Service]:
    """Start the stack, and remove it at the end. The stack that a developer works with is not touched."""
    stack = LocalDeployment(_PROJECT, _PROJECT / state.FOLDER / "on-call")
    stack.reset()
    try:
        local = stack.up(progress)
        with TemporaryDirectory() as name:
            folder = Path(name) / "shop"
            (folder / state.FOLDER).mkdir(parents=True)
            shutil.copy(stack.folder / state.FILE, folder / state.FOLDER)
            for part in _PARTS:
                (folder / part).symlink_to(_PROJECT / part)
            yield Service(stack, local, folder)
    finally:
        stack.reset()
