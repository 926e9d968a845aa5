"""The steps `decode` and `validate`: from records to envelopes, in one pass over each text."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial

from penstock.consumer.batch import Batch, Item
from penstock.consumer.faults.tree import Cause, DataFault, DeploymentFault, Fault, KeyFault, NotYetFault
from penstock.consumer.sent_time import sent_at
from penstock.diagnosis import frames_of
from penstock.intents import Contract, EnvelopeError
from penstock.intents.envelope_reader import EnvelopeReader

PART = 100
"""How many records are decoded at a time, at least. Postgres writes the part before in the meantime."""


class StreamDecoder:
    """Decodes a batch in parts, when they are taken, and each record once."""

    def __init__(
        self,
        batch: Batch,
        contract: Contract,
        fetched: Collection[Item] = (),
        reader: EnvelopeReader | None = None,
    ) -> None:
        """Prepare to decode.

        Args:
            batch: the batch.
            contract: decodes an envelope.
            fetched: items that already have their envelope, or a fault; they are not decoded.
            reader: reads the envelopes of kinds whose writes take them without an object; None if there are none.
        """
        self._items = batch.items
        self._fetched = fetched
        self._contract = contract
        self._reader = reader
        self._decoded = 0

    @property
    def size(self) -> int:
        """The number of items in the batch."""
        return len(self._items)

    def parts(self, size: int = PART) -> Iterator[Sequence[Item]]:
        """Go through the batch in parts of a size, and decode in each what has not been decoded yet."""
        for start in range(0, len(self._items), size):
            part = self._items[start : start + size]
            if new := part[max(0, self._decoded - start) :]:
                self._decode([item for item in new if item not in self._fetched] if self._fetched else new)
                self._decoded = start + len(part)
            yield part

    def _decode(self, part: Sequence[Item]) -> None:
        others = read(part, self._reader, self._contract) if self._reader else part
        if len(others) > len(part) / 2:
            # The rest is likely to be of the same senders, so to try to read it would cost more than it saves.
            self._reader = None
        decode(others, self._contract)

    def read_again(self, items: Sequence[Item]) -> None:
        """Read what was let go when it was sent, to send it once more."""
        if self._reader and (unread := [item for item in items if item.is_unread]):
            read(unread, self._reader, self._contract)

    def of(self, part: Batch) -> "StreamDecoder":
        """Decode the rest, and return a decoder of a part of the batch, which has nothing left to decode.

        What an attempt to write the whole has set is forgotten.
        """
        for _ in self.parts():
            pass
        for item in part.items:
            item.forget_attempt()
        return StreamDecoder(part, self._contract, part.items)

    def has_envelopes(self) -> bool:
        """Return whether any record has a readable envelope. Decodes up to the first one."""
        return any(item.kind for part in self.parts() for item in part)


def read(items: Sequence[Item], reader: EnvelopeReader, contract: Contract) -> list[Item]:
    """Read records together; return those that have to be decoded one by one."""
    heads = reader.read([item.record["body"] for item in items])
    decode_one = partial(_decode_read, contract)
    others = []
    for item, head in zip(items, heads, strict=True):
        if head is None:
            others.append(item)
        else:
            item.take_head(head, decode_one)
    return others


def _decode_read(contract: Contract, item: Item) -> None:
    """Decode an item that was read, when its envelope is asked for; forget what was read if that is refused."""
    decode([item], contract)
    if item.fault:
        item.forget_read()


def decode(items: Sequence[Item], contract: Contract) -> None:
    """Decode records. An error is a data fault of its own record alone."""
    decode_one = contract.decode_current
    for item in items:
        try:
            item.envelope = decode_one(item.record["body"])
        except Exception as error:  # noqa: BLE001 (a validator of the service may raise anything)
            _decode_other(item, error, contract)


def _decode_other(item: Item, first: Exception, contract: Contract) -> None:
    try:
        item.envelope = contract.decode_other(item.record["body"], first, sent_at(item))
    except Exception as error:  # noqa: BLE001 (a validator of the service may raise anything)
        item.envelope = error.head if isinstance(error, EnvelopeError) else None
        item.fault = decode_fault(error)


def decode_fault(error: Exception) -> Fault:
    """Map a decode error to a fault."""
    if not isinstance(error, EnvelopeError):
        cause = Cause("validator-failed", fields=(type(error).__name__,), frames=frames_of(error))
        return DataFault(cause)
    cause = Cause(error.reason, fields=error.fields)
    if error.reason in _KEY_FAULTS:
        return _KEY_FAULTS[error.reason](cause)
    # A producer may be deployed before the consumer, which then learns the new kind or version a little later.
    later = error.reason in {"unknown-kind", "unknown-version"}
    kind = NotYetFault if later else DataFault
    return kind(cause)


_KEY_FAULTS: Mapping[str, type[Fault]] = {
    "data-key-unavailable": KeyFault,
    "digest-key-unavailable": KeyFault,
    "data-key-denied": DeploymentFault,
    "digest-key-denied": DeploymentFault,
    "digest-key-unset": DeploymentFault,
    "encryption-not-installed": DeploymentFault,
}
"""The reasons of `penstock.intents.sealed.SealedError` that are not the intent's fault."""
