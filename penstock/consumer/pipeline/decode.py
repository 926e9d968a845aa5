"""The steps `decode` and `validate`: from records to envelopes, in one pass over each text."""

from collections.abc import Collection, Iterator, Sequence

from penstock.consumer.batch import Batch, Item
from penstock.consumer.faults.tree import Cause, DataFault, NotYetFault
from penstock.intents import Contract, EnvelopeError
from penstock.queue.chunks import chunked

PART = 250
"""How many records are decoded at a time: Postgres writes the ones before meanwhile."""


class Decoding:
    """Decodes the records of a batch as they are asked for, each once."""

    def __init__(self, batch: Batch, contract: Contract, redeemed: Collection[Item] = ()) -> None:
        """Take the batch, what reads it, and the items that have their envelopes already, or their faults."""
        self._items = batch.items
        self._redeemed = redeemed
        self._contract = contract
        self._decoded_parts = 0

    def parts(self) -> Iterator[Sequence[Item]]:
        """Go through the batch part by part, decoding what has not been decoded before."""
        for number, part in enumerate(chunked(self._items, PART), 1):
            if number > self._decoded_parts:
                decode(self._unread(part), self._contract)
                self._decoded_parts = number
            yield part

    def _unread(self, part: Sequence[Item]) -> Sequence[Item]:
        return [item for item in part if item not in self._redeemed] if self._redeemed else part

    def finds_any(self) -> bool:
        """Tell whether there is anything in the batch but what cannot be read at all; decode up to there."""
        return any(item.envelope for part in self.parts() for item in part)


def decode(items: Sequence[Item], contract: Contract) -> None:
    """Read records; what cannot be read is a data fault of its own record alone."""
    read = contract.decode
    for item in items:
        try:
            item.envelope = read(item.record["body"])
        except Exception as error:  # noqa: BLE001 (a validator of the service's own may raise anything)
            item.envelope = error.head if isinstance(error, EnvelopeError) else None
            item.fault = unreadable(error)


def unreadable(error: Exception) -> DataFault:
    """Say what reading a text with the contract has come to grief on."""
    if not isinstance(error, EnvelopeError):
        return DataFault(Cause("validator-failed", fields=(type(error).__name__,)))
    # A producer may be deployed before the consumer: what it emits becomes known a little later.
    later = error.reason in {"unknown-kind", "unknown-version"}
    kind = NotYetFault if later else DataFault
    return kind(Cause(error.reason, fields=error.fields))
