"""Large intents: they are stored in a bucket, and a small message refers to them."""

import json
import logging
import subprocess
import sys
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import Column, Engine, MetaData, Table, Text, Uuid, select

from penstock import IntentTooLarge, NotAcknowledged, WriteIntent
from penstock.consumer import Append, Drain
from penstock.consumer.dry_run import DryRunOutcome, dry_run
from penstock.consumer.pipeline import payloads
from penstock.intents import encode_envelope, encode_reference, new_id
from penstock.intents.encoding import digest_of
from penstock.producer import Producer
from penstock.queue import new_key, reference_to
from penstock.settings import Settings
from penstock.testing import LambdaContext, MemoryPayloads, MemoryQueue, sqs_event
from tests.support.drain import Bench, LaterKind
from tests.support.holds import release, store_of
from tests.support.lambdas import LambdaStub
from tests.support.project import ROOT

SETTINGS = Settings(receipt_key="key", source="/test", payload_bucket="payloads", payload_limit=5_000_000)
LARGE = "x" * 1_500_000


metadata = MetaData()
papers = Table(
    "papers", metadata, Column("intent_id", Uuid, primary_key=True), Column("name", Text, nullable=False)
)


class PaperFiled(WriteIntent, kind="paper.filed"):
    name: str


class Large(Bench):
    """A drain and a producer that share a queue and a bucket, both in memory."""

    def __init__(self, engine: Engine, settings: Settings = SETTINGS) -> None:
        super().__init__(engine)
        metadata.create_all(engine)
        self.payloads = MemoryPayloads()
        self.drain = Drain(
            settings, engine=engine, queue=self.queue, dead_letters=self.dead_letters, payloads=self.payloads
        )
        self.drain.write(PaperFiled, Append(papers))
        self.producer = Producer(SETTINGS, self.queue, self.payloads)

    @property
    def names(self) -> list[str]:
        with self.engine.connect() as connection:
            return sorted(connection.scalars(select(papers.c.name)))

    @property
    def lengths(self) -> list[int]:
        return sorted(map(len, self.names))

    def store(self, envelope: str, **changes: Any) -> str:
        """Store an envelope, and return the message that refers to it, with some changes."""
        key = new_key()
        self.payloads.objects[key] = envelope.encode()
        return json.dumps(json.loads(encode_reference(envelope, reference_to("payloads", key))) | changes)

    def drained(self) -> list[str]:
        """Drain all messages on the queue."""
        return self([message.body for message in self.queue.messages])


@pytest.fixture
def large(engine: Engine) -> Large:
    return Large(engine)


def sealed(name: str = "a", **more: Any) -> str:
    return encode_envelope(PaperFiled(name=name, **more), id=new_id(), source="/test")


def test_a_large_intent_is_written(large: Large) -> None:
    """The message is small, has no data and refers to the stored envelope, which is written."""
    receipts = large.producer.emit_many([PaperFiled(name="small"), PaperFiled(name=LARGE)])
    small, reference = large.queue.bodies
    ((key, body),) = large.payloads.objects.items()
    assert "dataref" not in small
    assert reference.keys() >= {"specversion", "id", "source", "type", "time", "datacontenttype", "dataversion"}
    assert (reference["id"], reference["dataref"]) == (str(receipts[1].id), f"s3://payloads/{key}")
    assert reference["datasize"] == len(body)
    assert "data" not in reference
    assert json.loads(body)["data"]["name"] == LARGE
    assert large.drained() == []
    assert large.lengths == [5, len(LARGE)]
    assert large.outcomes == {receipt.id: "applied" for receipt in receipts}


def test_only_large_intents_go_to_the_bucket(large: Large) -> None:
    """An intent that fits in a message does not use the bucket, and imports nothing for it."""
    large.payloads.unavailable = "SlowDown"
    large.producer.emit(PaperFiled(name="x" * 1_000_000))
    assert "dataref" not in large.queue.bodies[0]
    code = (
        "import sys; from penstock.producer import Producer; from penstock.settings import Settings;"
        "from penstock.testing import MemoryQueue; from penstock import WriteIntent;"
        "N = type('N', (WriteIntent,), {}, kind='n.n');"
        "Producer(Settings(receipt_key='k', source='/s', payload_bucket='b'), MemoryQueue()).emit(N());"
        "assert 'penstock.queue.s3' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_without_a_bucket_a_large_intent_is_refused() -> None:
    """Without a bucket the error is the usual one, and its traceback names the setting that helps."""
    producer = Producer(Settings(receipt_key="key", source="/test"), MemoryQueue())
    with pytest.raises(IntentTooLarge, match="1,032,192 are allowed") as caught:
        producer.emit(PaperFiled(name=LARGE))
    assert "PENSTOCK_PAYLOAD_BUCKET" in caught.value.__notes__[0]


def test_the_limit_of_large_intents(large: Large) -> None:
    """An intent over the limit of the bucket is refused before anything is put or sent."""
    with pytest.raises(IntentTooLarge, match="5,000,000 are allowed"):
        large.producer.emit_many([PaperFiled(name=LARGE), PaperFiled(name="x" * 5_000_000)])
    assert (large.payloads.objects, large.queue.messages) == ({}, [])


@pytest.mark.parametrize(("unwell", "retryable"), [("unavailable", True), ("denied", False)])
def test_no_receipt_if_the_payload_was_not_stored(large: Large, unwell: str, retryable: bool) -> None:
    """If the put fails, the intent is not acknowledged and no message refers to it; a small intent is sent."""
    setattr(large.payloads, unwell, "Code")
    with pytest.raises(NotAcknowledged, match=r"1 of 2 intents were not acknowledged: S3\.Code") as caught:
        large.producer.emit_many([PaperFiled(name=LARGE), PaperFiled(name="small")])
    assert (list(caught.value.sent), list(caught.value.failed)) == ([1], [0])
    assert caught.value.retryable is retryable
    assert [body["data"]["name"] for body in large.queue.bodies] == ["small"]


def test_no_receipt_if_the_message_was_not_sent(large: Large) -> None:
    """An intent whose message SQS refused is not acknowledged; emitted again it takes effect once."""
    intent = PaperFiled(name=LARGE)
    large.queue.refuse()
    with pytest.raises(NotAcknowledged, match="ThrottlingException"):
        large.producer.emit(intent)
    large.producer.emit(intent)
    large.producer.emit(intent)
    assert len(large.payloads.objects) == 3
    assert large.drained() == []
    assert (large.lengths, large.dead_letters.messages) == ([len(LARGE)], [])


def test_without_time_nothing_is_put_or_sent(large: Large) -> None:
    """If there is no time, no intent is put or sent, large or small."""
    with pytest.raises(NotAcknowledged, match="2 of 2"):
        large.producer.emit_many([PaperFiled(name=LARGE), PaperFiled(name="b")], timeout_seconds=0)
    assert (large.payloads.objects, large.queue.messages) == ({}, [])


def test_nothing_overtakes_a_large_intent_that_was_not_stored() -> None:
    """On a FIFO queue nothing of its group is sent after a payload that was not put."""
    queue, payloads = MemoryQueue(fifo=True), MemoryPayloads()
    payloads.unavailable = "SlowDown"
    intents = [PaperFiled(name="a"), PaperFiled(name=LARGE), PaperFiled(name="b"), PaperFiled(name="c")]
    with pytest.raises(NotAcknowledged) as caught:
        Producer(SETTINGS, queue, payloads).emit_many(
            intents, ordering_key=lambda intent: "other" if intent.name == "c" else "one"
        )
    assert {n: r.code for n, r in caught.value.failed.items()} == {1: "S3.SlowDown", 2: "BehindRefusal"}
    assert [body["data"]["name"] for body in queue.bodies] == ["a", "c"]


def test_a_large_intent_delivered_twice_is_one_effect(large: Large) -> None:
    """The same reference, and another one to the same intent, in one batch or in two, are written once."""
    intent = PaperFiled(name=LARGE)
    for _ in range(2):
        large.producer.emit(intent)
    first, second = (message.body for message in large.queue.messages)
    assert large([second, first, second]) == []
    assert large([first]) == []
    assert large.lengths == [len(LARGE)]
    assert large.dead_letters.messages == []


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"dataref": "s3://other/payloads/2026-11-21/0199aa00-0000-7000-8000-000000000001"}, "payload-foreign"),
        ({"dataref": "https://169.254.169.254/latest/meta-data"}, "payload-foreign"),
        ({"dataref": "s3://payloads/secrets/x"}, "payload-foreign"),
        ({"dataref": f"s3://payloads/{new_key()}"}, "payload-missing"),
        ({"datasize": 5_000_001}, "payload-too-large"),
        ({"datasize": 10**30}, "payload-too-large"),
        ({"datasize": 1}, "payload-altered"),
        ({"datadigest": f"sha256:{'0' * 64}"}, "payload-altered"),
        ({"id": str(new_id())}, "payload-altered"),
        ({"source": "/other"}, "payload-altered"),
        ({"type": "other.kind"}, "payload-altered"),
        ({"time": "2020-01-01T00:00:00Z"}, "payload-altered"),
        ({"datadigest": "md5:0"}, "not-an-envelope"),
        ({"datasize": "9"}, "not-an-envelope"),
        ({"datasize": 0}, "not-an-envelope"),
        ({"dataref": None}, "not-an-envelope"),
        ({"data": {"name": "b"}}, "not-an-envelope"),
    ],
)
def test_a_hostile_reference_hurts_nobody(large: Large, changes: dict[str, Any], reason: str) -> None:
    """A wrong reference is dead-lettered unchanged, with its reason; no foreign object is read."""
    body = large.store(sealed("bad"), **changes)
    assert large([sealed("before"), body, sealed("after")]) == []
    assert large.names == ["after", "before"]
    (letter,) = large.letters
    assert (letter.fault, letter.reason) == ("DataFault", reason)
    assert [message.body for message in large.dead_letters.messages] == [body]
    assert reason in {"payload-altered"} or large.payloads.reads == []


@pytest.mark.parametrize(
    ("envelope", "reason"),
    [
        ("[]", "not-an-envelope"),
        ("no json", "not-json"),
        (sealed().replace('"a"', "7"), "invalid-data"),
        (sealed().replace('"a"', '"a\\u0000"'), "invalid-data"),
    ],
)
def test_a_stored_envelope_may_be_as_bad_as_any_message(large: Large, envelope: str, reason: str) -> None:
    """An error in a payload has the same reason as in a message, and is dead under the id of the reference."""
    reference = json.loads(large.store(sealed()))
    body = envelope.encode()
    key = reference["dataref"].removeprefix("s3://payloads/")
    large.payloads.objects[key] = body
    reference |= {"datasize": len(body), "datadigest": digest_of(body)}
    assert large([json.dumps(reference)]) == []
    assert [letter.reason for letter in large.letters] == [reason]
    assert [str(id_) for id_ in large.outcomes] == [reference["id"]]


def test_the_word_dataref_in_data_is_no_reference(large: Large) -> None:
    """A message that has the word only in its data is a message like any other."""
    assert large([sealed('"dataref"'), sealed("dataref")]) == []
    assert large.names == ['"dataref"', "dataref"]


@pytest.mark.parametrize("unwell", ["unavailable", "denied"])
def test_an_unwell_bucket_dead_letters_nothing(
    large: Large, unwell: str, caplog: pytest.LogCaptureFixture
) -> None:
    """While S3 is unavailable or denies access, only large intents go back, and no payload is logged."""
    large.producer.emit(PaperFiled(name=LARGE))
    setattr(large.payloads, unwell, "SlowDown")
    with caplog.at_level(logging.INFO):
        assert len(large([*(message.body for message in large.queue.messages), sealed("small")])) == 1
    assert (large.names, large.dead_letters.messages) == (["small"], [])
    levels = {record.levelno for record in caplog.records if getattr(record, "action", "") == "handed_back"}
    assert levels == {logging.WARNING if unwell == "unavailable" else logging.ERROR}
    assert "xxxx" not in caplog.text
    setattr(large.payloads, unwell, None)
    assert large.drained() == []
    assert large.lengths == [5, len(LARGE)]


def test_an_unwell_bucket_is_logged_once(large: Large, caplog: pytest.LogCaptureFixture) -> None:
    """If several large intents go back for one cause, the log has one line with their number."""
    large.payloads.unavailable = "SlowDown"
    assert len(large([large.store(sealed(name)) for name in "abc"])) == 3
    logged = [vars(record) for record in caplog.records if getattr(record, "action", "") == "handed_back"]
    assert [(row["fault"], row["records"]) for row in logged] == [("PayloadFault", 3)]


def test_an_unwell_bucket_trips_no_breaker(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch that goes back because of S3, without time to check the database, does not trip the breaker."""
    stub = LambdaStub()
    monkeypatch.setattr("penstock.consumer.breaker.breaker.lambda_client", lambda: stub)
    large = Large(engine, replace(SETTINGS, event_source_mapping="mapping"))
    large.producer.emit(PaperFiled(name=LARGE))
    large.payloads.unavailable = "SlowDown"
    event = sqs_event([message.body for message in large.queue.messages])
    assert len(large.drain.handler(event, LambdaContext(8))["batchItemFailures"]) == 1
    assert stub.calls == []


def test_a_drain_without_a_bucket_hands_back(engine: Engine) -> None:
    """A drain without a bucket loses nothing: the deployment is at fault, not the data."""
    large = Large(engine)
    large.producer.emit(PaperFiled(name=LARGE))
    large.drain = Drain(Settings(), engine=engine, queue=large.queue, dead_letters=large.dead_letters)
    large.drain.write(PaperFiled, Append(papers))
    assert len(large([large.queue.messages[0].body, sealed("small")])) == 1
    assert (large.names, large.dead_letters.messages) == (["small"], [])


def test_a_batch_reads_no_more_bytes_than_it_may(large: Large, monkeypatch: pytest.MonkeyPatch) -> None:
    """Payloads beyond the limit go back, and each batch makes progress, even if one payload is over the limit."""
    monkeypatch.setattr(payloads, "BATCH_BYTES", 250)
    left = [large.store(sealed(name)) for name in "abcd"] + [large.store(sealed("e" * 300))]
    rounds = 0
    while left:
        event = sqs_event(left)
        failed = large.failed(event)
        assert len(failed) < len(left)
        left = [record["body"] for record in event["Records"] if record["messageId"] in failed]
        rounds += 1
    assert (len(large.names), rounds, large.dead_letters.messages) == (5, 5, [])


def test_a_kind_that_is_not_known_yet_waits(large: Large) -> None:
    """A large intent of an unknown kind goes back, as a small one does."""
    body = large.store(encode_envelope(LaterKind(x=1), id=new_id(), source="/test"))
    assert len(large([body])) == 1
    assert large.dead_letters.messages == []


def test_a_dead_letter_is_the_reference_and_can_be_replayed(large: Large) -> None:
    """A missing payload is dead-lettered with that reason; replayed while the payload exists, it is written."""
    large.producer.emit(PaperFiled(name=LARGE))
    objects = dict(large.payloads.objects)
    large.payloads.objects.clear()
    assert large.drained() == []
    (letter,) = large.letters
    assert (letter.reason, letter.kind) == ("payload-missing", "paper.filed")
    large.payloads.objects |= objects
    assert large([message.body for message in large.dead_letters.messages]) == []
    assert large.lengths == [len(LARGE)]
    assert set(large.outcomes.values()) == {"applied"}


def test_a_dry_run_reads_no_payload(large: Large) -> None:
    """A dry run does not try a large intent, and does not call it dead."""
    (result,) = dry_run(large.drain, large.engine, [large.store(sealed())], seconds=20)
    assert (result.outcome, result.kind, large.payloads.reads) == (DryRunOutcome.UNKNOWN, "paper.filed", [])


def test_a_large_intent_is_held_by_reference(large: Large) -> None:
    """The reference is parked with the day of its payload, and the release sends it back as it came."""
    store = store_of(large.engine)
    store.hold("paper.filed", None, "me")
    large.producer.emit(PaperFiled(name=LARGE))
    (message,) = large.queue.messages
    (day,) = (key.split("/")[1] for key in large.payloads.objects)
    assert large.drained() == []
    (listed,) = store.list()
    assert (large.names, listed.count, listed.payload_at) == ([], 1, datetime.fromisoformat(day).date())
    sent = MemoryQueue()
    assert release(store, sent, "paper.filed") == 1
    assert sent.messages[0].body == message.body
    assert large([sent.messages[0].body]) == []
    assert large.names == [LARGE]
