"""What the code under test emits, without a change to it."""

import asyncio
from threading import Thread
from uuid import UUID

import pytest

import penstock
from penstock import NotAcknowledged, WriteIntent
from penstock.intents import EnvelopeError, verify
from penstock.producer import aio, emitter
from penstock.queue import Outgoing
from penstock.testing import Emitted, MemoryQueue
from penstock.testing.emitted import RECEIPT_KEY


class NoteTaken(WriteIntent, kind="note.taken"):
    text: str


class NoteRead(WriteIntent, kind="note.read"):
    text: str


def test_every_form_of_emit_is_captured(penstock_emitted: Emitted) -> None:
    """`emit`, `emit_many`, their asyncio forms and other threads emit to the queue in memory."""
    penstock.emit(NoteTaken(text="a"))
    penstock.emit_many([NoteTaken(text="b"), NoteRead(text="c")])
    asyncio.run(aio.emit(NoteTaken(text="d")))
    thread = Thread(target=penstock.emit, args=[NoteTaken(text="e")])
    thread.start()
    thread.join()
    assert [intent.text for intent in penstock_emitted.of(NoteTaken)] == ["a", "b", "d", "e"]
    assert penstock_emitted.of(NoteRead) == [NoteRead(text="c")]


def test_an_intent_keeps_its_identity(penstock_emitted: Emitted) -> None:
    """The intent that a test reads has the id of the receipt, and the time of the one that was emitted."""
    note = NoteTaken(text="a")
    receipt = penstock.emit(note, idempotency_key="k")
    (found,) = penstock_emitted.of(NoteTaken)
    assert (found.intent_id, found.intent_time) == (receipt.id, note.intent_time)
    assert verify(receipt.token, RECEIPT_KEY).id == UUID(penstock_emitted.queue.bodies[0]["id"])


def test_a_refusal_reaches_the_code_under_test(penstock_emitted: Emitted) -> None:
    """What the queue refuses is not emitted, and the caller gets the error that SQS would cause."""
    penstock_emitted.queue.refuse()
    with pytest.raises(NotAcknowledged):
        penstock.emit(NoteTaken(text="a"))
    assert penstock_emitted.of(NoteTaken) == []


def test_the_inner_capture_counts() -> None:
    """Of two captures the inner one gets what is emitted; after both, the environment's producer is asked."""
    outer, inner = Emitted(), Emitted()
    with outer.capture():
        with inner.capture():
            penstock.emit(NoteTaken(text="inner"))
        penstock.emit(NoteTaken(text="outer"))
    assert [inner.of(NoteTaken), outer.of(NoteTaken)] == [[NoteTaken(text="inner")], [NoteTaken(text="outer")]]
    emitter._cached_producer.cache_clear()
    with pytest.raises(penstock.settings.SettingsError):
        penstock.emit(NoteTaken(text="after"))


def test_what_the_consumer_could_not_decode_is_an_error(penstock_queue: MemoryQueue) -> None:
    """A message of that kind which is not a valid intent does not go unseen."""
    penstock_queue.send([Outgoing('{"type": "note.taken"}')])
    with pytest.raises(EnvelopeError):
        Emitted(penstock_queue).of(NoteTaken)
