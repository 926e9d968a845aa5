"""SQS through boto3: what fails is told by position, only that is sent again, and nothing escapes."""

import json
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any, cast

import boto3
import pytest
from botocore.exceptions import ParamValidationError, ReadTimeoutError
from botocore.stub import Stubber
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from penstock.queue import (
    DEADLINE_EXCEEDED,
    NOT_ACKNOWLEDGED,
    Attribute,
    Outgoing,
    QueueError,
    Refusal,
    SqsQueue,
    chunks,
    group_of,
    sqs_client,
)
from penstock.queue.sqs import THREADS
from penstock.testing import ManualClock

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

URL = "https://sqs.eu-west-1.amazonaws.com/123456789012/writes"
SESSION = boto3.Session(aws_access_key_id="a", aws_secret_access_key="b", region_name="eu-west-1")


@pytest.fixture
def stub() -> Iterator[Stubber]:
    """Give a stubbed client that has to be asked for exactly what was prepared."""
    with closing(sqs_client(SESSION)) as client, Stubber(client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def queue_of(stub: Stubber, timeout_seconds: float = 5) -> SqsQueue:
    """Make a queue whose pauses are short."""
    return SqsQueue(URL, cast("SQSClient", stub.client), timeout_seconds=timeout_seconds)


def expect_send(stub: Stubber, ids: list[str], failed: dict[str, tuple[str, bool]] | None = None) -> None:
    """Prepare one batch call with the bodies b0, b1 and so on, some of which fail."""
    failed = failed or {}
    stub.add_response(
        "send_message_batch",
        {
            "Successful": [
                {"Id": i, "MessageId": f"m{i}", "MD5OfMessageBody": "0"} for i in ids if i not in failed
            ],
            "Failed": [{"Id": i, "Code": code, "SenderFault": sender} for i, (code, sender) in failed.items()],
        },
        {"QueueUrl": URL, "Entries": [{"Id": i, "MessageBody": f"b{i}"} for i in ids]},
    )


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the pauses between attempts out."""
    monkeypatch.setattr("penstock.queue.retries.time.sleep", lambda _: None)


def bodies(count: int) -> list[Outgoing]:
    """Make messages b0, b1 and so on."""
    return [Outgoing(f"b{number}") for number in range(count)]


def test_only_failed_entries_are_sent_again(stub: Stubber) -> None:
    """A call that answers 200 with failed entries is repeated for those alone."""
    expect_send(stub, ["0", "1", "2"], {"1": ("InternalError", False)})
    expect_send(stub, ["1"])
    assert queue_of(stub).send(bodies(3)) == {}


def test_a_senders_fault_is_not_tried_again(stub: Stubber) -> None:
    """What SQS blames on the sender is refused at once, and for good, while the rest is tried again."""
    expect_send(stub, ["0", "1"], {"0": ("InvalidMessageContents", True), "1": ("InternalError", False)})
    expect_send(stub, ["1"])
    assert queue_of(stub).send(bodies(2)) == {0: Refusal("InvalidMessageContents", retryable=False)}


def test_patience_ends(stub: Stubber) -> None:
    """With little patience a refused entry is refused after one attempt and may be tried later."""
    expect_send(stub, ["0"], {"0": ("InternalError", False)})
    assert queue_of(stub, 0.01).send(bodies(1)) == {0: Refusal("InternalError", retryable=True)}


def test_a_throttled_call_is_tried_again(stub: Stubber) -> None:
    """Throttling refuses a whole call, which goes through a moment later."""
    stub.add_client_error("send_message_batch", "ThrottlingException", http_status_code=400)
    expect_send(stub, ["0", "1"])
    assert queue_of(stub).send(bodies(2)) == {}


@pytest.mark.parametrize("code", ["AccessDenied", "AWS.SimpleQueueService.NonExistentQueue"])
def test_a_hopeless_call_is_refused_at_once(stub: Stubber, code: str) -> None:
    """What no repetition can mend is said of every position, without another try."""
    stub.add_client_error("send_message_batch", code, http_status_code=403)
    assert queue_of(stub).send(bodies(2)) == {n: Refusal(code, retryable=False) for n in range(2)}


def test_deletes_are_repeated_alone(stub: Stubber) -> None:
    """Deleting and changing visibility look at failed entries as sending does."""
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


def test_an_unreachable_queue_refuses_every_position() -> None:
    """Nobody listening is a refusal of all that was given, and an error only where something is read."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with closing(sqs_client(SESSION, f"http://127.0.0.1:{unused.getsockname()[1]}")) as client:
            queue = SqsQueue(URL, client)
            assert list(queue.send(bodies(12))) == list(range(12))
            assert list(queue.delete(["h0", "h1"])) == [0, 1]
            assert list(queue.change_visibility([("h0", 0)])) == [0]
            with pytest.raises(QueueError, match="cannot be read: EndpointConnectionError"):
                queue.receive(1)
            with pytest.raises(QueueError, match="cannot be read"):
                queue.depth()


class Slow:
    """A client whose every call takes four seconds, and then fails or refuses nothing."""

    def __init__(self, clock: ManualClock, error: Exception | None = None) -> None:
        self.calls = 0
        self._clock, self._error = clock, error

    def send_message_batch(self, **words: Any) -> dict[str, Any]:
        """Take the time, then answer."""
        self.calls += 1
        self._clock.advance(4)
        if self._error:
            raise self._error
        return {"Successful": [{"Id": entry["Id"]} for entry in words["Entries"]]}

    delete_message_batch = change_message_visibility_batch = send_message_batch


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> ManualClock:
    """Give the clock that patience runs by."""
    clock = ManualClock()
    monkeypatch.setattr("penstock.queue.retries.time.monotonic", clock)
    return clock


def test_a_silent_queue_is_asked_once(clock: ManualClock) -> None:
    """Once nobody answers, the other batches are refused for the same reason without waiting again."""
    client = Slow(clock, ReadTimeoutError(endpoint_url=URL))
    queue = SqsQueue(URL, cast("SQSClient", client), timeout_seconds=60, threads=1)
    silence = Refusal("ReadTimeoutError", retryable=False)
    assert queue.send(bodies(30)) == dict.fromkeys(range(30), silence)
    assert queue.delete(["h"] * 30) == dict.fromkeys(range(30), silence)
    assert queue.change_visibility([("h", 0)] * 30) == dict.fromkeys(range(30), silence)
    assert client.calls == 3


def test_no_batch_is_begun_after_the_deadline(clock: ManualClock) -> None:
    """What the time does not suffice for is refused and may be tried later; the caller's patience goes first."""
    client = Slow(clock)
    queue = SqsQueue(URL, cast("SQSClient", client), timeout_seconds=5, threads=1)
    late = dict.fromkeys(range(20, 30), DEADLINE_EXCEEDED)
    assert queue.send(bodies(30)) == late
    assert queue.delete(["h"] * 30, timeout_seconds=8) == late
    assert queue.change_visibility([("h", 0)] * 30, timeout_seconds=9) == {}
    assert client.calls == 2 + 2 + 3


def test_a_batch_that_cannot_be_asked_silences_nobody(clock: ManualClock) -> None:
    """What boto3 itself refuses is refused batch by batch: the next one may be as it should."""
    client = Slow(clock, ParamValidationError(report="no text"))
    queue = SqsQueue(URL, cast("SQSClient", client), timeout_seconds=60)
    assert {refusal.code for refusal in queue.send(bodies(30)).values()} == {"ParamValidationError"}
    assert client.calls == 3


def test_attributes_group_and_deduplication_are_sent(stub: Stubber) -> None:
    """All that a message has reaches SQS in SQS's own form."""
    stub.add_response(
        "send_message_batch",
        {"Successful": [{"Id": "0", "MessageId": "m", "MD5OfMessageBody": "0"}], "Failed": []},
        {
            "QueueUrl": URL,
            "Entries": [
                {
                    "Id": "0",
                    "MessageBody": "b",
                    "MessageAttributes": {
                        "raw": {"DataType": "Binary", "BinaryValue": b"\x00"},
                        "type": {"DataType": "String", "StringValue": "k"},
                    },
                    "MessageGroupId": "g",
                    "MessageDeduplicationId": "d",
                    "MessageSystemAttributes": {"AWSTraceHeader": {"DataType": "String", "StringValue": "t"}},
                }
            ],
        },
    )
    attributes = {"raw": Attribute(b"\x00", "Binary"), "type": Attribute("k")}
    assert queue_of(stub).send([Outgoing("b", attributes, "g", "d", "t")]) == {}


def test_what_sqs_does_not_mention_is_not_kept(stub: Stubber) -> None:
    """A message is kept if SQS says so; an answer that leaves it out is asked for again, and then a refusal."""
    stub.add_response("send_message_batch", {"Successful": [], "Failed": []})
    expect_send(stub, ["0"])
    assert queue_of(stub).send(bodies(1)) == {}
    stub.add_response("send_message_batch", {"Successful": [], "Failed": []})
    assert queue_of(stub, 0.01).send(bodies(1)) == {0: NOT_ACKNOWLEDGED}


class Meeting:
    """A client whose calls wait for each other: it answers once `count` of them are under way."""

    def __init__(self, count: int, error: Exception | None = None) -> None:
        self.threads: set[int] = set()
        self.calls = self.most = self._now = 0
        self._barrier, self._lock, self._error = threading.Barrier(count), threading.Lock(), error

    def send_message_batch(self, Entries: list[dict[str, Any]], **_words: Any) -> dict[str, Any]:  # noqa: N803
        """Meet the others, then answer."""
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


def test_batches_are_sent_at_once_within_a_bound() -> None:
    """As many calls as there are threads are under way together, never more, and the caller's is one of them."""
    client = Meeting(4)
    queue = SqsQueue(URL, cast("SQSClient", client), timeout_seconds=60, threads=4)
    assert queue.send(bodies(120)) == {}
    assert (client.calls, client.most, len(client.threads)) == (12, 4, 4)
    assert threading.get_ident() in client.threads
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("penstock-queue")]


@pytest.mark.parametrize("call", ["delete", "change_visibility"])
def test_leases_are_ended_at_once_within_a_bound(call: str) -> None:
    """Deletions and changes of visibility have as many calls under way as there are threads, one if FIFO."""
    things = [f"h{number}" if call == "delete" else (f"h{number}", 0) for number in range(120)]
    for url, most in ((URL, 4), (f"{URL}.fifo", 1)):
        client = Meeting(most)
        queue = SqsQueue(url, cast("SQSClient", client), timeout_seconds=60, threads=4)
        assert getattr(queue, call)(things) == {}
        assert (client.calls, client.most) == (12, most)


def test_one_batch_needs_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one call can carry is sent by the caller itself, without any thread."""
    monkeypatch.setattr("threading.Thread.start", lambda _: pytest.fail("a thread was started"))
    assert SqsQueue(URL, cast("SQSClient", Meeting(1))).send(bodies(10)) == {}


def test_a_silent_queue_stops_all_threads() -> None:
    """Once nobody answers, only the calls that are under way are waited for."""
    client = Meeting(4, ReadTimeoutError(endpoint_url=URL))
    queue = SqsQueue(URL, cast("SQSClient", client), timeout_seconds=60, threads=4)
    refused = queue.send(bodies(400))
    assert refused == dict.fromkeys(range(400), Refusal("ReadTimeoutError", retryable=False))
    assert list(refused) == list(range(400))
    assert client.calls == 4


def test_each_thread_has_a_connection() -> None:
    """The client's pool has a connection for each call that may be under way."""
    with closing(sqs_client(SESSION)) as client:
        config: Any = client.meta.config
        assert config.max_pool_connections >= THREADS


def test_a_client_is_made_without_boto3() -> None:
    """Importing the queue and making a client loads botocore, not boto3 with its transfers to S3."""
    code = (
        "import sys, penstock.queue; penstock.queue.sqs_client(); print({'boto3', 's3transfer'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


class Fifo:
    """A client of a FIFO queue that refuses some bodies, a number of times each."""

    def __init__(self, refusals: dict[str, int]) -> None:
        self.kept: list[str] = []
        self.calls = 0
        self._refusals = refusals

    def send_message_batch(self, Entries: list[dict[str, Any]], **_words: Any) -> dict[str, Any]:  # noqa: N803
        """Keep what is not refused."""
        self.calls += 1
        answer: dict[str, list[dict[str, Any]]] = {"Successful": [], "Failed": []}
        for entry in Entries:
            body = entry["MessageBody"]
            if self._refusals.get(body, 0):
                self._refusals[body] -= 1
                answer["Failed"].append({"Id": entry["Id"], "Code": "InternalError", "SenderFault": False})
            else:
                self.kept.append(body)
                answer["Successful"].append({"Id": entry["Id"]})
        return answer


FIFO_URL = f"{URL}.fifo"


def grouped(bodies: str) -> list[Outgoing]:
    """Make messages of bodies such as `a1 b1 a2`, whose group is their letter."""
    return [Outgoing(body, group=body[0], deduplication_id=body) for body in bodies.split()]


def test_a_fifo_queue_keeps_the_order_through_refusals() -> None:
    """A message that had to be sent again is not overtaken by those behind it in its group."""
    client = Fifo({"a1": 2, "b2": 1})
    queue = SqsQueue(FIFO_URL, cast("SQSClient", client), timeout_seconds=60)
    assert queue.send(grouped("a1 a2 b1 b2 a3 c1 b3")) == {}
    assert [body for body in client.kept if body[0] == "a"] == ["a1", "a2", "a3"]
    assert [body for body in client.kept if body[0] == "b"] == ["b1", "b2", "b3"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.sampled_from("abc"), max_size=30),
    st.dictionaries(st.integers(0, 29), st.integers(1, 2), max_size=4),
)
def test_a_fifo_queue_keeps_the_beginning_of_each_group(groups: list[str], refusals: dict[int, int]) -> None:
    """Whatever is refused, of each group the queue has the first messages, in order, and no other."""
    messages = [Outgoing(f"{group}{n}", group=group, deduplication_id=str(n)) for n, group in enumerate(groups)]
    client = Fifo({messages[n].body: 99 for n in refusals if n < len(messages)})
    queue = SqsQueue(FIFO_URL, cast("SQSClient", client), timeout_seconds=0.2)
    refused = queue.send(messages)
    assert sorted(client.kept) == sorted(m.body for n, m in enumerate(messages) if n not in refused)
    for group in {*groups}:
        given_ = [message.body for message in messages if message.group == group]
        kept = [body for body in client.kept if body[0] == group]
        assert kept == given_[: len(kept)]


def test_a_fifo_queue_packs_different_groups() -> None:
    """Messages of different groups share a call; two of one group do not."""
    client = Fifo({})
    SqsQueue(FIFO_URL, cast("SQSClient", client)).send(grouped("a1 b1 c1 d1 e1 a2 b2"))
    assert client.calls == 2


def test_behind_no_text_nothing_of_its_group_is_sent() -> None:
    """On a FIFO queue a body that cannot be sent holds up its group, and no other."""
    client = Fifo({})
    broken = Outgoing("\ud800", group="a", deduplication_id="x")
    refused = SqsQueue(FIFO_URL, cast("SQSClient", client)).send([*grouped("a1"), broken, *grouped("a2 b1")])
    assert {n: refusal.code for n, refusal in refused.items()} == {1: "InvalidMessageContents", 2: "BehindRefusal"}
    assert client.kept == ["a1", "b1"]


@pytest.mark.parametrize("key", ["tenant-1", "a" * 128, "!~"])
def test_a_group_that_sqs_takes_stays_as_it_is(key: str) -> None:
    """A key of SQS's alphabet and length is the message group."""
    assert group_of(key) == key


@pytest.mark.parametrize("key", ["a" * 129, "two words", "caf\u00e9", "\ud800", "a\n"])
def test_a_group_that_sqs_refuses_is_hashed(key: str) -> None:
    """Any other key becomes a group that SQS takes, the same one each time."""
    assert re.fullmatch("[0-9a-f]{64}", group_of(key))
    assert group_of(key) == group_of(key) != group_of(f"{key}x")


def packed(messages: list[Outgoing]) -> list[list[int]]:
    """Say which messages share a batch."""
    return [[number for number, _ in chunk] for chunk in chunks(enumerate(messages))]


def test_batches_hold_ten() -> None:
    """The eleventh message begins another batch."""
    assert [len(chunk) for chunk in packed(bodies(21))] == [10, 10, 1]


def test_batches_hold_one_mebibyte_of_utf8() -> None:
    """Bytes are counted, not characters, attributes included; a batch may be exactly full."""
    half = Outgoing("\u00e9" * 262_144)
    rest = Outgoing("x" * (524_288 - 7), {"a": Attribute("", "String")})
    assert (half.size, rest.size) == (524_288, 524_288)
    assert packed([half, rest, Outgoing("x")]) == [[0, 1], [2]]


def test_a_message_too_large_travels_alone() -> None:
    """What SQS will refuse takes no neighbour along."""
    assert packed([Outgoing("a"), Outgoing("x" * 1_048_577), Outgoing("b")]) == [[0], [1], [2]]


def test_a_received_message_is_read_in_full(stub: Stubber) -> None:
    """Times come in seconds, counts as numbers; what an emulator leaves out has a plain default."""
    stub.add_response(
        "receive_message",
        {
            "Messages": [
                {
                    "MessageId": "m",
                    "ReceiptHandle": "h",
                    "Body": json.dumps({"a": 1}),
                    "Attributes": {
                        "ApproximateReceiveCount": "3",
                        "ApproximateFirstReceiveTimestamp": "1700000001500",
                        "SentTimestamp": "1700000000500",
                        "MessageGroupId": "g",
                    },
                },
                {"MessageId": "n", "ReceiptHandle": "i", "Body": "x"},
            ]
        },
    )
    full, bare = queue_of(stub).receive(10)
    assert (full.receive_count, full.sent_at, full.first_received_at) == (3, 1_700_000_000.5, 1_700_000_001.5)
    assert (full.group, full.attributes) == ("g", {})
    assert (bare.receive_count, bare.group) == (1, None)
