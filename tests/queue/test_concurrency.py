"""Concurrent calls to SQS: how many run at once, and in which threads."""

import threading
from contextlib import closing
from typing import TYPE_CHECKING, Any, cast

import pytest
from botocore.exceptions import ReadTimeoutError

from penstock.queue import Refusal, SqsQueue, sqs_client
from penstock.queue.sqs import THREADS
from tests.support.sqs import FIFO_URL, SESSION, URL, bodies

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


class Rendezvous:
    """A client whose calls wait for each other: it responds when `count` calls are in progress."""

    def __init__(self, count: int, error: Exception | None = None) -> None:
        self.threads: set[int] = set()
        self.calls = self.most = self._now = 0
        self._barrier, self._lock, self._error = threading.Barrier(count), threading.Lock(), error

    def send_message_batch(self, Entries: list[dict[str, Any]], **_kwargs: Any) -> dict[str, Any]:  # noqa: N803
        """Wait for the other calls, then respond."""
        with self._lock:
            self.calls, self._now = self.calls + 1, self._now + 1
            self.most = max(self.most, self._now)
            self.threads.add(threading.get_ident())
        self._barrier.wait(10)
        with self._lock:
            self._now -= 1
        if self._error:
            raise self._error
        return {"Successful": [{"Id": entry["Id"]} for entry in Entries]}

    delete_message_batch = change_message_visibility_batch = send_message_batch


def test_batches_are_sent_concurrently_within_the_limit() -> None:
    """At most `threads` calls run at once; the calling thread makes some of them, and no thread survives."""
    client = Rendezvous(4)
    queue = SqsQueue(URL, cast("SQSClient", client), timeout_seconds=60, threads=4)
    assert queue.send(bodies(120)) == {}
    assert (client.calls, client.most, len(client.threads)) == (12, 4, 4)
    assert threading.get_ident() in client.threads
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("penstock-queue")]


@pytest.mark.parametrize("call", ["delete", "change_visibility"])
def test_leases_are_changed_concurrently_within_the_limit(call: str) -> None:
    """Deletes and visibility changes run in `threads` threads, and in one thread on a FIFO queue."""
    items = [f"h{number}" if call == "delete" else (f"h{number}", 0) for number in range(120)]
    for url, most in ((URL, 4), (FIFO_URL, 1)):
        client = Rendezvous(most)
        queue = SqsQueue(url, cast("SQSClient", client), timeout_seconds=60, threads=4)
        assert getattr(queue, call)(items) == {}
        assert (client.calls, client.most) == (12, most)


def test_one_batch_needs_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """The calling thread sends what fits into one call; no thread is started."""
    monkeypatch.setattr("threading.Thread.start", lambda _: pytest.fail("a thread was started"))
    assert SqsQueue(URL, cast("SQSClient", Rendezvous(1))).send(bodies(10)) == {}


def test_a_read_timeout_stops_all_threads() -> None:
    """After a read timeout, no thread starts another call."""
    client = Rendezvous(4, ReadTimeoutError(endpoint_url=URL))
    queue = SqsQueue(URL, cast("SQSClient", client), timeout_seconds=60, threads=4)
    refused = queue.send(bodies(400))
    assert refused == dict.fromkeys(range(400), Refusal("ReadTimeoutError", retryable=False))
    assert list(refused) == list(range(400))
    assert client.calls == 4


def test_each_thread_has_a_connection() -> None:
    """The client's connection pool has a connection for each concurrent call."""
    with closing(sqs_client(SESSION)) as client:
        config: Any = client.meta.config
        assert config.max_pool_connections >= THREADS
