"""Emitting, to a queue in memory."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from penstock import IntentTooLarge, NotKept, ReceiptKeyUnavailable, WriteIntent
from penstock.intents import verify
from penstock.producer import Producer
from penstock.producer.emitter import INTENT_LIMIT_BYTES
from penstock.settings import Settings, SettingsError
from penstock.testing import MemoryQueue
from tests.secrets import Secrets


class Noted(WriteIntent, kind="note.taken"):
    text: str


SETTINGS = Settings(receipt_key="key", source="/test")


def _producer() -> tuple[Producer, MemoryQueue]:
    queue = MemoryQueue()
    return Producer(SETTINGS, queue), queue


def test_an_emitted_intent_is_on_the_queue_under_its_receipt() -> None:
    """The receipt is for the very id that the message carries."""
    producer, queue = _producer()
    receipt = producer.emit(Noted(text="a"))
    (body,) = queue.bodies
    assert (body["id"], body["type"], body["data"]) == (str(receipt.id), "note.taken", {"text": "a"})
    assert verify(str(receipt), "key") == receipt
    assert queue.messages[0].attributes["type"].value == "note.taken"


def test_no_receipt_without_an_acknowledgement() -> None:
    """Where SQS refuses there is no receipt, and emitting the same object again is the same intent."""
    producer, queue = _producer()
    intent = Noted(text="a")
    queue.refuse("ServiceUnavailable")
    with pytest.raises(NotKept, match="1 of 1 intents were not kept: ServiceUnavailable"):
        producer.emit(intent)
    assert queue.messages == []
    assert producer.emit(intent).id == intent.intent_id


def test_nothing_is_sent_without_the_receipts_key(secrets: Secrets) -> None:
    """While the key cannot be read nothing is sent, since nobody could get a receipt for it."""
    queue = MemoryQueue()
    producer = Producer(Settings(receipt_key=secrets.arn, source="/test"), queue)
    secrets.fail()
    with pytest.raises(ReceiptKeyUnavailable, match=r"arn:.* cannot be read: AccessDeniedException"):
        producer.emit(Noted(text="a"))
    with pytest.raises(ReceiptKeyUnavailable):
        producer.emit_many([Noted(text="a")])
    assert queue.messages == []


def test_a_known_key_stays_good(secrets: Secrets, caplog: pytest.LogCaptureFixture) -> None:
    """A key is read again after five minutes; if that fails the known one signs, and the next try waits."""
    queue = MemoryQueue()
    producer = Producer(Settings(receipt_key=secrets.arn, source="/test"), queue)
    tokens = [producer.emit(Noted(text="a"))]
    secrets.fail()
    for seconds in (299, 2, 29):
        secrets.clock.advance(seconds)
        tokens.append(producer.emit(Noted(text="a")))
    assert all(verify(str(token), "one") for token in tokens)
    assert (secrets.calls, len(queue.messages)) == (2, 4)
    assert "the known value is kept" in caplog.text
    secrets.text = "two"
    secrets.clock.advance(2)
    assert verify(str(producer.emit(Noted(text="a"))), "two")


def test_the_same_idempotency_key_is_the_same_intent() -> None:
    """A key gives the same receipt whatever object it comes with, and another kind another one."""
    producer, _ = _producer()
    first, again, other = (producer.emit(Noted(text=k), idempotency_key=k[0]) for k in ("x1", "x2", "y1"))
    assert first == again != other


def test_what_cannot_be_stored_is_not_sent() -> None:
    """An intent with a value that Postgres cannot hold raises, and nothing reaches the queue."""
    producer, queue = _producer()
    with pytest.raises(ValidationError):
        producer.emit_many([Noted(text="fine"), Noted(text="\x00")])
    assert queue.messages == []


def test_what_does_not_fit_is_not_sent() -> None:
    """An intent too large for a message raises before anything is sent; the largest that fits is sent."""
    producer, queue = _producer()
    overhead = 0
    with pytest.raises(IntentTooLarge) as caught:
        producer.emit(Noted(text="x" * INTENT_LIMIT_BYTES))
    overhead = caught.value.size - INTENT_LIMIT_BYTES
    assert queue.messages == []
    producer.emit(Noted(text="x" * (INTENT_LIMIT_BYTES - overhead)))
    assert queue.messages[0].size == INTENT_LIMIT_BYTES


@given(st.sets(st.integers(0, 24)))
def test_a_partly_refused_burst_says_which_were_kept(refused: set[int]) -> None:
    """Exactly what SQS acknowledged has a receipt, by position, and exactly that is on the queue."""
    producer, queue = _producer()
    intents = [Noted(text=str(n)) for n in range(25)]
    queue.refuse("InternalError", positions=refused)
    try:
        kept, not_kept = dict(enumerate(producer.emit_many(intents))), set()
    except NotKept as error:
        kept, not_kept = dict(error.kept), set(error.refused)
    assert not_kept == refused
    assert kept.keys() == set(range(25)) - refused
    assert [body["id"] for body in queue.bodies] == [str(receipt.id) for receipt in kept.values()]
    assert all(kept[n].id == intents[n].intent_id for n in kept)


def test_missing_settings_are_all_named() -> None:
    """A producer without its settings names every variable that is missing."""
    with pytest.raises(SettingsError) as caught:
        Producer(Settings())
    for variable in ("PENSTOCK_QUEUE_URL", "PENSTOCK_RECEIPT_KEY", "PENSTOCK_SOURCE"):
        assert f"{variable} is not set: it is " in str(caught.value)


def test_a_bad_setting_is_named() -> None:
    """A setting with a value that cannot be used is named, with what it should be."""
    for text in ("0", "-1", "many", "1.5", "²"):
        with pytest.raises(SettingsError, match="PENSTOCK_POOL_SIZE must be a whole number above 0"):
            Settings.from_environment({"PENSTOCK_POOL_SIZE": text})


def test_settings_do_not_show_their_values() -> None:
    """Neither passwords nor keys are in a setting's text."""
    settings = Settings.from_environment({"PENSTOCK_DATABASE_URL": "postgresql://u:hunter2@h/d"})
    assert "hunter2" not in repr(settings)
    assert settings.database_reader_url == settings.database_url
