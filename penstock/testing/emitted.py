"""What the code under test emitted, read from a queue in memory."""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar, Unpack

from penstock.encryption.opener import KeyOpener
from penstock.intents import Contract, Receipt, WriteIntent, kind_of
from penstock.intents.packs import singles
from penstock.producer.addressing import EmitManyOptions
from penstock.producer.emitter import Producer, use_producer
from penstock.settings import Settings
from penstock.testing.keys import DIGEST_KEY, MemoryKeys
from penstock.testing.queue import MemoryQueue

I = TypeVar("I", bound=WriteIntent)  # noqa: E741

RECEIPT_KEY = "test"
"""The key that signs the receipts."""

SOURCE = "/test"
"""The source of the envelopes."""


class Emitted:
    """A producer with a queue in memory, and the intents that it has emitted.

    Attributes:
        queue: the queue; `queue.bodies` are the envelopes, and `queue.refuse()` makes it refuse.
    """

    def __init__(self, queue: MemoryQueue | None = None) -> None:
        """Make a producer that emits to `queue`, or to a new standard queue."""
        self.queue = queue or MemoryQueue()
        self._producer = Producer(Settings(receipt_key=RECEIPT_KEY, source=SOURCE), self.queue, keys=MemoryKeys())

    @contextmanager
    def capture(self) -> Iterator[None]:
        """Let `penstock.emit`, `emit_many` and their asyncio forms emit to this queue, in all threads."""
        with use_producer(self._producer):
            yield

    def emit_many(self, intents: Iterable[I], **options: Unpack[EmitManyOptions[I]]) -> list[Receipt]:
        """Emit intents as the code under test would; see `penstock.emit_many`."""
        return self._producer.emit_many(intents, **options)

    def of(self, kind: type[I]) -> list[I]:
        """Return the intents of a kind that are on the queue, oldest first.

        Two intents are equal if their fields are; the id and the time do not count.

        Raises:
            penstock.intents.EnvelopeError: the consumer could not decode an intent of this kind.
        """
        contract = Contract([kind], KeyOpener(MemoryKeys, lambda: DIGEST_KEY))
        texts = [text for message in self.queue.messages for text in singles(message.body)]
        found = [text for text in texts if json.loads(text)["type"] == kind_of(kind)]
        return [_intent(contract, kind, text) for text in found]


def _intent(contract: Contract, kind: type[I], text: str) -> I:
    envelope = contract.decode(text)
    assert isinstance(envelope.data, kind)  # noqa: S101 (the contract has this kind alone)
    vars(envelope.data).update(intent_id=envelope.id, intent_time=envelope.time)
    return envelope.data
