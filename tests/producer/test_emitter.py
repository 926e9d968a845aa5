"""Emitting to a queue in memory."""

import json
import time
import tracemalloc
import weakref
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime, timedelta, timezone
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from penstock import IntentTooLarge, NotAcknowledged, ReceiptKeyUnavailable, WriteIntent
from penstock.intents import Contract, verify
from penstock.producer import OrderingKeyError, Producer, emitter
from penstock.producer.large import INTENT_LIMIT_BYTES
from penstock.queue import Depth, Outgoing, Refusal, SqsQueue, group_of, sqs_client
from penstock.settings import Settings, SettingsError
from penstock.testing import MemoryQueue
from tests.support.producer import SETTINGS, NoteTaken
from tests.support.project import SESSION
from tests.support.secrets import Secrets


def _producer() -> tuple[Producer, MemoryQueue]:
    queue = MemoryQueue()
    return Producer(SETTINGS, queue), queue


def test_an_emitted_intent_is_on_the_queue_under_its_receipt() -> None:
    """The receipt has the id of the message."""
    producer, queue = _producer()
    receipt = producer.emit(NoteTaken(text="a"))
    (body,) = queue.bodies
    assert (body["id"], body["type"], body["data"]) == (str(receipt.id), "note.taken", {"text": "a"})
    assert verify(str(receipt), "key") == receipt
    assert queue.messages[0].attributes["type"].value == "note.taken"


def test_no_receipt_without_an_acknowledgement() -> None:
    """If SQS refuses there is no receipt, and emitting the same object again is the same intent."""
    producer, queue = _producer()
    intent = NoteTaken(text="a")
    queue.refuse("ServiceUnavailable")
    with pytest.raises(NotAcknowledged, match="1 of 1 intents were not acknowledged: ServiceUnavailable"):
        producer.emit(intent)
    assert queue.messages == []
    assert producer.emit(intent).id == intent.intent_id


def test_nothing_is_sent_without_the_receipts_key(secrets: Secrets) -> None:
    """While the key cannot be read nothing is sent, since no receipt could be signed."""
    queue = MemoryQueue()
    producer = Producer(Settings(receipt_key=secrets.arn, source="/test"), queue)
    secrets.fail()
    with pytest.raises(ReceiptKeyUnavailable, match=r"arn:.* cannot be read: AccessDeniedException"):
        producer.emit(NoteTaken(text="a"))
    with pytest.raises(ReceiptKeyUnavailable):
        producer.emit_many([NoteTaken(text="a")])
    assert queue.messages == []


def test_a_known_key_stays_good(secrets: Secrets, caplog: pytest.LogCaptureFixture) -> None:
    """A key is read again after five minutes. If that fails the known key signs, and the next attempt waits."""
    queue = MemoryQueue()
    producer = Producer(Settings(receipt_key=secrets.arn, source="/test"), queue)
    tokens = [producer.emit(NoteTaken(text="a"))]
    secrets.fail()
    for seconds in (299, 2, 29):
        secrets.clock.advance(seconds)
        tokens.append(producer.emit(NoteTaken(text="a")))
    assert all(verify(str(token), "one") for token in tokens)
    assert (secrets.calls, len(queue.messages)) == (2, 4)
    assert "the known value stays in use" in caplog.text
    secrets.text = "two"
    secrets.clock.advance(2)
    assert verify(str(producer.emit(NoteTaken(text="a"))), "two")


def test_the_same_idempotency_key_is_the_same_intent() -> None:
    """The same key gives the same receipt for another object, and another key gives another receipt."""
    producer, _ = _producer()
    first, again, other = (producer.emit(NoteTaken(text=k), idempotency_key=k[0]) for k in ("x1", "x2", "y1"))
    assert first == again != other


def test_what_cannot_be_stored_is_not_sent() -> None:
    """An intent with a value that Postgres cannot store raises, and nothing is sent."""
    producer, queue = _producer()
    with pytest.raises(ValidationError):
        producer.emit_many([NoteTaken(text="fine"), NoteTaken(text="\x00")])
    assert queue.messages == []


def test_what_does_not_fit_is_not_sent() -> None:
    """An intent too large for a message raises before anything is sent; the largest that fits is sent."""
    producer, queue = _producer()
    overhead = 0
    with pytest.raises(IntentTooLarge) as caught:
        producer.emit(NoteTaken(text="x" * INTENT_LIMIT_BYTES))
    overhead = caught.value.size - INTENT_LIMIT_BYTES
    assert queue.messages == []
    producer.emit(NoteTaken(text="x" * (INTENT_LIMIT_BYTES - overhead)))
    assert queue.messages[0].size == INTENT_LIMIT_BYTES


def test_what_does_not_fit_is_named_by_its_position() -> None:
    """The error says which of many intents is too large, and no intent after it is read."""
    producer, queue = _producer()
    unread = iter([NoteTaken(text=size * "x") for size in (1, 1, INTENT_LIMIT_BYTES, 1)])
    with pytest.raises(IntentTooLarge) as caught:
        producer.emit_many(unread)
    assert (caught.value.index, len(list(unread))) == (2, 1)
    assert queue.messages == []


def test_a_wrong_option_is_refused() -> None:
    """A misspelled option is a TypeError, for mypy as well, and nothing is sent."""
    producer, queue = _producer()
    with pytest.raises(TypeError, match="tennant"):
        producer.emit(NoteTaken(text="a"), tennant="t")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="timeout"):
        producer.emit_many([NoteTaken(text="a")], timeout=1)  # type: ignore[call-arg]
    assert queue.messages == []


def test_functions_of_the_intent_are_typed() -> None:
    """A function given to `emit_many` gets the class of the intents: mypy refuses a field that it lacks."""
    with pytest.raises(AttributeError, match="other"):
        _producer()[0].emit_many([NoteTaken(text="a")], tenant=lambda note: note.other)  # type: ignore[attr-defined]


@given(st.sets(st.integers(0, 24)))
def test_a_partial_failure_says_which_were_sent(refused: set[int]) -> None:
    """Exactly the intents that SQS acknowledged have a receipt, by position, and are on the queue."""
    producer, queue = _producer()
    intents = [NoteTaken(text=str(n)) for n in range(25)]
    queue.refuse("InternalError", positions=refused)
    try:
        sent, failed = dict(enumerate(producer.emit_many(intents))), set()
    except NotAcknowledged as error:
        sent, failed = dict(error.sent), set(error.failed)
    assert failed == refused
    assert sent.keys() == set(range(25)) - refused
    assert [body["id"] for body in queue.bodies] == [str(receipt.id) for receipt in sent.values()]
    assert all(sent[n].id == intents[n].intent_id for n in sent)


@pytest.mark.parametrize("key", [{"idempotency_key": ""}, {"tenant": ""}])
def test_an_empty_key_is_refused(key: dict[str, str]) -> None:
    """An empty key or tenant would make many intents one. It raises, and nothing is sent."""
    producer, queue = _producer()
    with pytest.raises(ValueError, match=f"{next(iter(key))} is empty"):
        producer.emit(NoteTaken(text="a"), idempotency_key=key.get("idempotency_key"), tenant=key.get("tenant"))
    assert queue.messages == []


def test_each_of_many_has_its_key() -> None:
    """A function returns each intent's idempotency key, as for `emit`. For None the intent's own id is used."""
    producer, _ = _producer()
    intents = [NoteTaken(text="x"), NoteTaken(text="y"), NoteTaken(text="")]
    receipts = producer.emit_many(intents, idempotency_key=lambda note: note.text or None)
    assert producer.emit_many(intents, idempotency_key=lambda note: note.text or None) == receipts
    assert receipts[0] == producer.emit(NoteTaken(text="z"), idempotency_key="x")
    assert receipts[2].id == intents[2].intent_id
    assert len({receipt.id for receipt in receipts}) == 3


def test_one_key_for_many_is_a_mistake() -> None:
    """One string as the key of many intents would make them one: it is refused before anything is sent."""
    producer, queue = _producer()
    with pytest.raises(TypeError, match="give a function"):
        producer.emit_many([NoteTaken(text="a")], idempotency_key="x")  # type: ignore[arg-type]
    assert queue.messages == []


def test_a_tenants_keys_are_its_own() -> None:
    """The same idempotency key is one intent for one tenant, and different intents for different tenants."""
    producer, _ = _producer()
    tenants = [None, "a", "b", "a"]
    ids = [producer.emit(NoteTaken(text="x"), idempotency_key="k", tenant=tenant).id for tenant in tenants]
    assert ids[1] == ids[3]
    assert len({*ids}) == 3


def test_a_tenant_is_the_message_group() -> None:
    """The message group of a standard queue is the tenant (fair queues). Without a tenant there is no group."""
    producer, queue = _producer()
    producer.emit(NoteTaken(text="x"), tenant="a")
    producer.emit_many([NoteTaken(text="b"), NoteTaken(text="two words")], tenant=lambda note: note.text)
    producer.emit_many([NoteTaken(text="x")])
    groups = [message.group for message in queue.messages]
    assert groups == ["a", "b", group_of("two words"), None]
    assert all(message.deduplication_id is None for message in queue.messages)


class Moved(WriteIntent, kind="thing.moved"):
    thing: str

    @property
    def intent_ordering_key(self) -> str:
        """The key within which order is kept."""
        return self.thing


def test_a_fifo_queue_gets_order_and_deduplication() -> None:
    """The group is the ordering key, from the argument or else from the class. The intent's id deduplicates."""
    queue = MemoryQueue(fifo=True)
    producer = Producer(SETTINGS, queue)
    receipts = [
        producer.emit(Moved(thing="a"), tenant="t"),
        producer.emit(Moved(thing="a"), ordering_key="b"),
        *producer.emit_many([NoteTaken(text="c")], ordering_key=lambda note: note.text),
        *producer.emit_many([NoteTaken(text="x")], ordering_key="d"),
    ]
    assert [message.group for message in queue.messages] == ["a", "b", "c", "d"]
    assert [message.deduplication_id for message in queue.messages] == [str(receipt.id) for receipt in receipts]


def test_a_fifo_queue_needs_an_ordering_key() -> None:
    """An intent without an ordering key is refused with a hint, and nothing is sent."""
    queue = MemoryQueue(fifo=True)
    with pytest.raises(OrderingKeyError, match=r"'note\.taken' has no ordering key: give emit an ordering_key"):
        Producer(SETTINGS, queue).emit_many([Moved(thing="a"), NoteTaken(text="a")])
    assert queue.messages == []


def test_a_standard_queue_takes_no_ordering_key() -> None:
    """An ordering key for a standard queue is refused. A class with an ordering key may go to either queue."""
    producer, queue = _producer()
    with pytest.raises(OrderingKeyError, match="a standard queue keeps no order"):
        producer.emit(NoteTaken(text="a"), ordering_key="k")
    assert queue.messages == []
    producer.emit(Moved(thing="a"))
    assert queue.messages[0].group is None


def test_a_fifo_queue_deduplicates_a_repeated_key() -> None:
    """The same idempotency key twice is one message on a FIFO queue, with a receipt each time."""
    queue = MemoryQueue(fifo=True)
    producer = Producer(SETTINGS, queue)
    first, again = (producer.emit(Moved(thing="a"), idempotency_key="k") for _ in range(2))
    assert first == again
    assert len(queue.messages) == 1


def test_the_timeout_reaches_the_queue() -> None:
    """With a timeout of 0 nothing is sent and nothing has a receipt. Another attempt may succeed."""
    producer, queue = _producer()
    with pytest.raises(NotAcknowledged, match="DeadlineExceeded") as caught:
        producer.emit_many([NoteTaken(text="a")], timeout_seconds=0)
    with pytest.raises(NotAcknowledged):
        producer.emit(NoteTaken(text="a"), timeout_seconds=0)
    assert caught.value.retryable
    assert queue.messages == []


def test_a_permanent_refusal_is_not_retryable() -> None:
    """If one refusal is permanent, the error is not retryable."""
    producer, queue = _producer()
    queue.refuse("AccessDenied", retryable=False)
    with pytest.raises(NotAcknowledged) as caught:
        producer.emit_many([NoteTaken(text="a")])
    assert not caught.value.retryable


def test_a_generators_intents_are_not_kept() -> None:
    """Of a generator's intents only ids and messages stay in memory: no intent outlives its validation."""
    producer, queue = _producer()
    alive = weakref.WeakSet[NoteTaken]()
    most = 0

    def stream() -> Iterator[NoteTaken]:
        nonlocal most
        for number in range(1000):
            intent = NoteTaken(text=str(number))
            alive.add(intent)
            most = max(most, len(alive))
            yield intent

    assert len(producer.emit_many(stream())) == len(queue.messages) == 1000
    assert most <= 3


@pytest.mark.slow
def test_a_large_stream_takes_little_memory() -> None:
    """An intent that waits to be sent takes less than a kilobyte beside its message."""

    class Nowhere(MemoryQueue):
        def send(self, messages: Sequence[Outgoing], **_words: Any) -> dict[int, Refusal]:
            self.bytes = sum(message.size for message in messages)
            return {}

    queue, count = Nowhere(), 5_000
    producer = Producer(SETTINGS, queue)
    tracemalloc.start()
    try:
        producer.emit_many(NoteTaken(text="x" * 100) for _ in range(count))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (peak - queue.bytes) / count < 1000


def test_threads_share_one_producer(monkeypatch: pytest.MonkeyPatch) -> None:
    """If many threads emit at once, the environment's producer is made only once."""
    made: list[Producer] = []

    def make(_settings: Settings) -> Producer:
        time.sleep(0.01)
        made.append(_producer()[0])
        return made[0]

    emitter._cached_producer.cache_clear()
    monkeypatch.setattr(emitter, "Producer", make)
    with ThreadPoolExecutor(8) as pool:
        found = {*pool.map(lambda _: emitter.environment_producer(), range(8))}
    emitter._cached_producer.cache_clear()
    assert found == {*made}
    assert len(made) == 1


def test_a_local_sqs_accepts_many(local_aws_endpoint: str) -> None:
    """On a local SQS, each of many intents is on the queue once, with the id of its receipt."""
    with closing(sqs_client(SESSION, local_aws_endpoint)) as client:
        url = client.create_queue(QueueName=f"queue-{uuid4()}")["QueueUrl"]
        queue = SqsQueue(url, client)
        receipts = Producer(SETTINGS, queue).emit_many((NoteTaken(text=str(n)) for n in range(234)), tenant="t")
        found = [message for _ in range(30) for message in queue.receive(10)]
        client.delete_queue(QueueUrl=url)
    assert sorted(json.loads(message.body)["id"] for message in found) == sorted(str(r.id) for r in receipts)
    assert {message.group for message in found} == {"t"}


def test_missing_settings_are_all_named() -> None:
    """A producer without its settings names every variable that is missing."""
    with pytest.raises(SettingsError) as caught:
        Producer(Settings())
    for variable in ("PENSTOCK_QUEUE_URL", "PENSTOCK_RECEIPT_KEY", "PENSTOCK_SOURCE"):
        assert f"{variable} is not set (the " in str(caught.value)


def test_a_bad_setting_is_named() -> None:
    """A setting with a bad value is named, with the values that are allowed."""
    for text in ("0", "-1", "many", "1.5", "²"):
        with pytest.raises(SettingsError, match="PENSTOCK_POOL_SIZE must be a whole number, 1 or greater"):
            Settings.from_environment({"PENSTOCK_POOL_SIZE": text})
    for text in ("0", "off", "no", "falsch"):
        with pytest.raises(SettingsError, match="PENSTOCK_PIPELINES must be true or false"):
            Settings.from_environment({"PENSTOCK_PIPELINES": text})


def test_a_truth_is_read_as_cloudformation_writes_it() -> None:
    """`true` and `false` are read in any case, and the default is true."""
    read = [
        Settings.from_environment({"PENSTOCK_PIPELINES": text}).pipelines
        for text in ("false", "False", "true", "")
    ]
    assert read == [False, False, True, True]


def test_settings_do_not_show_their_values() -> None:
    """The `repr` of settings holds no password and no key."""
    settings = Settings.from_environment({"PENSTOCK_DATABASE_URL": "postgresql://u:hunter2@h/d"})
    assert "hunter2" not in repr(settings)
    assert settings.database_reader_url == settings.database_url


def test_an_expiry_is_in_the_envelope() -> None:
    """`expires_at` is the attribute `expirytime`, in UTC; for several intents it may be a function."""
    producer, queue = _producer()
    noon = datetime(2026, 11, 20, 12, tzinfo=timezone(timedelta(hours=1)))
    producer.emit(NoteTaken(text="a"), expires_at=noon)
    producer.emit_many(
        [NoteTaken(text="b"), NoteTaken(text="c")], expires_at=lambda n: noon if n.text == "c" else None
    )
    assert [body.get("expirytime") for body in queue.bodies] == [
        "2026-11-20T11:00:00+00:00",
        None,
        "2026-11-20T11:00:00+00:00",
    ]
    assert all(Contract([NoteTaken]).decode(message.body) for message in queue.messages)


def test_a_delay_hides_the_message() -> None:
    """The queue hides a delayed intent for that long; a part of a second counts as a whole one."""
    producer, queue = _producer()
    producer.emit(NoteTaken(text="a"), delay=timedelta(seconds=59.5))
    assert queue.depth() == Depth(visible=0, in_flight=0, delayed=1)
    queue.clock.advance(59)
    assert queue.receive(1) == []
    queue.clock.advance(1)
    assert len(queue.receive(1)) == 1


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"expires_at": datetime(2026, 11, 20, 12)}, "no time zone"),  # noqa: DTZ001
        ({"expires_at": timedelta(minutes=5)}, "must be a datetime"),
        ({"delay": timedelta(minutes=16)}, "900 s at most"),
        ({"delay": timedelta(seconds=-1)}, "negative"),
        ({"delay": 5}, "must be a timedelta"),
    ],
)
def test_a_time_that_cannot_be_kept_is_refused(options: Any, error: str) -> None:
    """The error says why, and nothing is sent."""
    producer, queue = _producer()
    with pytest.raises((TypeError, ValueError), match=error):
        producer.emit(NoteTaken(text="a"), **options)
    assert queue.messages == []


def test_a_fifo_queue_delays_no_single_message() -> None:
    """The error names the way out; a delay of nothing is no delay."""
    queue = MemoryQueue(fifo=True)
    producer = Producer(SETTINGS, queue)
    with pytest.raises(ValueError, match="DelaySeconds"):
        producer.emit(NoteTaken(text="a"), ordering_key="k", delay=timedelta(seconds=1))
    assert queue.messages == []
    assert producer.emit(NoteTaken(text="a"), ordering_key="k", delay=timedelta(0))
