"""Fixtures of the queue's tests: a stubbed client, and retries without pauses."""

from collections.abc import Iterator
from contextlib import closing

import pytest
from botocore.stub import Stubber

from penstock.queue import sqs_client
from tests.support.sqs import SESSION


@pytest.fixture
def stub() -> Iterator[Stubber]:
    """Give a stubbed client; the test must make exactly the calls that it prepared."""
    with closing(sqs_client(SESSION)) as client, Stubber(client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


@pytest.fixture
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the pauses between attempts."""
    monkeypatch.setattr("penstock.queue.retries.time.sleep", lambda _: None)
