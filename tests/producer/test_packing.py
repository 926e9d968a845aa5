"""`emit_many` with packs."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from penstock import IntentTooLarge, NotAcknowledged, Sensitive, WriteIntent
from penstock.intents import Contract
from penstock.intents.packs import singles
from penstock.producer import Producer, aio
from penstock.producer.emitter import use_producer
from penstock.producer.large import INTENT_LIMIT_BYTES
from penstock.queue import MESSAGE_LIMIT_BYTES
from penstock.settings import Settings
from penstock.testing import MemoryKeys, MemoryPayloads, MemoryQueue
from tests.support.producer import NoteTaken

CHUNK = 65_536


class OtherTaken(WriteIntent, kind="other.taken"):
    number: int


class SecretTaken(WriteIntent, kind="secret.taken"):
    secret: Sensitive[str]


CONTRACT = Contract([NoteTaken, OtherTaken, SecretTaken])


def make(limit: int = CHUNK, **more: Any) -> tuple[Producer, MemoryQueue]:
    queue = more.pop("queue", None) or MemoryQueue()
    return Producer(Settings(receipt_key="key", source="/test", pack_limit=limit), queue, **more), queue


def notes(count: int, text: str = "a") -> list[NoteTaken]:
    return [NoteTaken(text=f"{text} {number}") for number in range(count)]


def ids(queue: MemoryQueue) -> list[UUID]:
    return [CONTRACT.decode(text).id for message in queue.messages for text in singles(message.body)]


def test_many_intents_share_a_message() -> None:
    """A pack grows up to the limit; every intent is in one, under its receipt."""
    producer, queue = make()
    intents = notes(2000)
    receipts = producer.emit_many(intents)
    assert [receipt.id for receipt in receipts] == [one.intent_id for one in intents] == ids(queue)
    assert len(queue.messages) < 5
    assert all(CHUNK - 500 < message.size <= CHUNK for message in queue.messages[:-1])
    assert {message.attributes["type"].value for message in queue.messages} == {"note.taken"}


def test_packs_are_off_by_default() -> None:
    """Without the setting each intent has a message of its own: an earlier drain knows no packs."""
    producer, queue = make(Settings().pack_limit)
    producer.emit_many(notes(20))
    assert len(queue.messages) == 20


def test_a_pack_has_one_kind_and_one_tenant() -> None:
    """Intents of other kinds and tenants are in packs of their own, in the group of the tenant."""
    producer, queue = make()
    intents: list[Any] = [
        one for number in range(10) for one in (NoteTaken(text=f"{number % 2}"), OtherTaken(number=1))
    ]
    producer.emit_many(intents, tenant=lambda one: getattr(one, "text", None))
    packed = {(m.attributes["type"].value, m.group): len(singles(m.body)) for m in queue.messages}
    assert packed == {("note.taken", "0"): 5, ("note.taken", "1"): 5, ("other.taken", None): 10}
    assert {*ids(queue)} == {one.intent_id for one in intents}


def test_the_expiry_and_the_key_of_each_intent() -> None:
    """Options that differ from intent to intent hold for each one in a pack."""
    producer, queue = make()
    at = datetime(2030, 1, 1, tzinfo=UTC)
    intents = notes(3)
    receipts = producer.emit_many(
        intents, idempotency_key=lambda one: one.text, expires_at=lambda one: at if one is intents[1] else None
    )
    decoded = [CONTRACT.decode(text) for text in singles(queue.messages[0].body)]
    assert [one.expirytime for one in decoded] == [None, at, None]
    assert [one.id for one in decoded] == [receipt.id for receipt in receipts]
    assert [one.time for one in decoded] == [one.intent_time for one in intents]


def test_sensitive_fields_are_encrypted_in_a_pack() -> None:
    """A pack holds no plaintext of a Sensitive field."""
    producer, queue = make(keys=MemoryKeys())
    producer.emit_many([SecretTaken(secret=Sensitive("hush")) for _ in range(2)])
    (message,) = queue.messages
    assert "hush" not in message.body
    assert len(singles(message.body)) == 2


def test_nothing_is_packed_with_a_delay() -> None:
    """A delay is that of a message, so each intent has one of its own."""
    producer, queue = make()
    producer.emit_many(notes(5), delay=timedelta(seconds=1))
    assert [len(singles(message.body)) for message in queue.messages] == [1] * 5


def test_nothing_is_packed_on_a_fifo_queue() -> None:
    """A FIFO queue keeps the order of messages, so each intent has one of its own."""
    producer, queue = make(queue=MemoryQueue(fifo=True))
    producer.emit_many(notes(5), ordering_key="a")
    assert [len(singles(message.body)) for message in queue.messages] == [1] * 5


def test_a_single_intent_is_an_envelope() -> None:
    """`emit`, and a pack that would have one intent, send an ordinary envelope."""
    producer, queue = make()
    producer.emit(NoteTaken(text="a"))
    producer.emit_many([NoteTaken(text="b")])
    assert [body["data"]["text"] for body in queue.bodies] == ["a", "b"]


def test_large_intents_are_sent_alone() -> None:
    """What does not fit in a pack has a message of its own, a large one in the bucket, in any order."""
    payloads = MemoryPayloads()
    producer, queue = make(payloads=payloads)
    sizes = [1, CHUNK, 1, MESSAGE_LIMIT_BYTES, 1]
    intents = [NoteTaken(text="x" * size) for size in sizes]
    receipts = producer.emit_many(intents)
    assert [receipt.id for receipt in receipts] == [one.intent_id for one in intents]
    assert sorted(len(singles(message.body)) for message in queue.messages) == [1, 1, 3]
    assert len(payloads.objects) == 1


def test_what_is_too_large_is_named_by_its_position() -> None:
    """An intent that is too large stops all, with its position among the intents, not among the messages."""
    producer, queue = make()
    with pytest.raises(IntentTooLarge) as caught:
        producer.emit_many([*notes(10), NoteTaken(text="x" * MESSAGE_LIMIT_BYTES)])
    assert (caught.value.index, queue.messages) == (10, [])


@pytest.mark.parametrize("limit", [MESSAGE_LIMIT_BYTES, 10**9])
def test_the_largest_pack_is_a_message(limit: int) -> None:
    """Whatever the setting says, SQS accepts each pack, and there is room for the fault of a dead letter."""
    producer, queue = make(limit)
    producer.emit_many(notes(2000, "x" * 1000))
    assert max(message.size for message in queue.messages) <= INTENT_LIMIT_BYTES


def test_a_refused_pack_is_each_of_its_intents() -> None:
    """If SQS refuses a pack, all of its intents are in `failed`, and those of the others have receipts."""
    producer, queue = make()
    intents: list[Any] = [one for number in range(5) for one in (NoteTaken(text="a"), OtherTaken(number=number))]
    queue.refuse("ServiceUnavailable", positions=[0])
    with pytest.raises(NotAcknowledged) as caught:
        producer.emit_many(intents)
    assert list(caught.value.failed) == [0, 2, 4, 6, 8]
    assert {place: one.id for place, one in caught.value.sent.items()} == {
        place: intents[place].intent_id for place in (1, 3, 5, 7, 9)
    }


def test_packs_from_asyncio() -> None:
    """The asyncio form packs, too."""
    producer, queue = make()
    with use_producer(producer):
        asyncio.run(aio.emit_many(notes(50)))
    assert [len(singles(message.body)) for message in queue.messages] == [50]


def test_a_pack_is_a_cloud_event_with_columns() -> None:
    """The text of a pack is the format of docs/packs.md."""
    producer, queue = make()
    intents = notes(2)
    producer.emit_many(intents)
    (body,) = (json.loads(message.body) for message in queue.messages)
    assert body == {
        "penstockpack": 1,
        "specversion": "1.0",
        "source": "/test",
        "type": "note.taken",
        "datacontenttype": "application/json",
        "dataversion": 1,
        "id": [str(one.intent_id) for one in intents],
        "time": [one.intent_time.isoformat() for one in intents],
        "data": [{"text": "a 0"}, {"text": "a 1"}],
    }
