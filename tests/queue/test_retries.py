"""Retries of SQS calls: refusals are by position, a retry sends the refused entries only, no exception escapes."""

from typing import TYPE_CHECKING, Any, cast

import pytest
from botocore.exceptions import ParamValidationError, ReadTimeoutError
from botocore.stub import Stubber

from penstock.queue import DEADLINE_EXCEEDED, NOT_ACKNOWLEDGED, Refusal, SqsQueue
from penstock.testing import ManualClock
from tests.support.sqs import URL, bodies, expect_send, queue_of

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

pytestmark = pytest.mark.usefixtures("_no_pauses")


def test_only_failed_entries_are_sent_again(stub: Stubber) -> None:
    """If a call returns 200 with failed entries, a retry sends those entries only."""
    expect_send(stub, ["0", "1", "2"], {"1": ("InternalError", False)})
    expect_send(stub, ["1"])
    assert queue_of(stub).send(bodies(3)) == {}


def test_a_sender_fault_is_not_retried(stub: Stubber) -> None:
    """An entry that SQS marks as the fault of the sender is refused without a retry; the others are retried."""
    expect_send(stub, ["0", "1"], {"0": ("InvalidMessageContents", True), "1": ("InternalError", False)})
    expect_send(stub, ["1"])
    assert queue_of(stub).send(bodies(2)) == {0: Refusal("InvalidMessageContents", retryable=False)}


def test_retries_end_at_the_deadline(stub: Stubber) -> None:
    """With a short timeout an entry is refused after one attempt, and is marked as retryable."""
    expect_send(stub, ["0"], {"0": ("InternalError", False)})
    assert queue_of(stub, 0.01).send(bodies(1)) == {0: Refusal("InternalError", retryable=True)}


def test_a_throttled_call_is_retried(stub: Stubber) -> None:
    """Throttling refuses a whole call; the retry succeeds."""
    stub.add_client_error("send_message_batch", "ThrottlingException", http_status_code=400)
    expect_send(stub, ["0", "1"])
    assert queue_of(stub).send(bodies(2)) == {}


@pytest.mark.parametrize("code", ["AccessDenied", "AWS.SimpleQueueService.NonExistentQueue"])
def test_a_permanent_error_is_not_retried(stub: Stubber, code: str) -> None:
    """An error that no retry can solve refuses every position, without a second call."""
    stub.add_client_error("send_message_batch", code, http_status_code=403)
    assert queue_of(stub).send(bodies(2)) == {n: Refusal(code, retryable=False) for n in range(2)}


def test_deletes_are_retried_by_entry(stub: Stubber) -> None:
    """Deletes and visibility changes handle failed entries as sends do."""
    entry: dict[str, Any] = {"Id": "1", "ReceiptHandle": "h1"}
    for entries, failed in (([{"Id": "0", "ReceiptHandle": "h0"}, entry], ["1"]), ([entry], [])):
        stub.add_response(
            "delete_message_batch",
            {
                "Successful": [],
                "Failed": [{"Id": i, "Code": "InternalError", "SenderFault": False} for i in failed],
            },
            {"QueueUrl": URL, "Entries": entries},
        )
    stub.add_response(
        "change_message_visibility_batch",
        {"Successful": [], "Failed": [{"Id": "0", "Code": "ReceiptHandleIsInvalid", "SenderFault": True}]},
        {"QueueUrl": URL, "Entries": [{**entry, "Id": "0", "VisibilityTimeout": 7}]},
    )
    queue = queue_of(stub)
    assert queue.delete(["h0", "h1"]) == {}
    assert queue.change_visibility([("h1", 7)]) == {0: Refusal("ReceiptHandleIsInvalid", retryable=False)}


def test_an_entry_that_the_response_omits_is_not_acknowledged(stub: Stubber) -> None:
    """A message counts as sent only if SQS lists it; otherwise it is sent again, and refused at the deadline."""
    stub.add_response("send_message_batch", {"Successful": [], "Failed": []})
    expect_send(stub, ["0"])
    assert queue_of(stub).send(bodies(1)) == {}
    stub.add_response("send_message_batch", {"Successful": [], "Failed": []})
    assert queue_of(stub, 0.01).send(bodies(1)) == {0: NOT_ACKNOWLEDGED}


class Slow:
    """A client whose every call takes four seconds, and then raises or succeeds."""

    def __init__(self, clock: ManualClock, error: Exception | None = None) -> None:
        self.calls = 0
        self._clock, self._error = clock, error

    def send_message_batch(self, **kwargs: Any) -> dict[str, Any]:
        """Advance the clock, then respond."""
        self.calls += 1
        self._clock.advance(4)
        if self._error:
            raise self._error
        return {"Successful": [{"Id": entry["Id"]} for entry in kwargs["Entries"]]}

    delete_message_batch = change_message_visibility_batch = send_message_batch


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> ManualClock:
    """Give the clock that deadlines use."""
    clock = ManualClock()
    monkeypatch.setattr("penstock.queue.retries.time.monotonic", clock)
    return clock


def test_a_queue_that_does_not_respond_is_called_once(clock: ManualClock) -> None:
    """After a read timeout, the other batches are refused with the same code and without a call."""
    client = Slow(clock, ReadTimeoutError(endpoint_url=URL))
    queue = SqsQueue(URL, cast("SQSClient", client), timeout_seconds=60, threads=1)
    refusal = Refusal("ReadTimeoutError", retryable=False)
    assert queue.send(bodies(30)) == dict.fromkeys(range(30), refusal)
    assert queue.delete(["h"] * 30) == dict.fromkeys(range(30), refusal)
    assert queue.change_visibility([("h", 0)] * 30) == dict.fromkeys(range(30), refusal)
    assert client.calls == 3


def test_no_call_starts_after_the_deadline(clock: ManualClock) -> None:
    """The rest is refused as retryable; the timeout of the call takes precedence over that of the queue."""
    client = Slow(clock)
    queue = SqsQueue(URL, cast("SQSClient", client), timeout_seconds=5, threads=1)
    late = dict.fromkeys(range(20, 30), DEADLINE_EXCEEDED)
    assert queue.send(bodies(30)) == late
    assert queue.delete(["h"] * 30, timeout_seconds=8) == late
    assert queue.change_visibility([("h", 0)] * 30, timeout_seconds=9) == {}
    assert client.calls == 2 + 2 + 3


def test_an_invalid_parameter_stops_no_other_batch(clock: ManualClock) -> None:
    """If botocore rejects the parameters of a call, the next batch is still sent: its parameters may be valid."""
    client = Slow(clock, ParamValidationError(report="no text"))
    queue = SqsQueue(URL, cast("SQSClient", client), timeout_seconds=60)
    assert {refusal.code for refusal in queue.send(bodies(30)).values()} == {"ParamValidationError"}
    assert client.calls == 3
