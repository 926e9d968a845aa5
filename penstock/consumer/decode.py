"""The steps `decode` and `validate`: from records to envelopes, in one pass over each text."""

from collections.abc import Iterator, Sequence

from penstock.consumer.batch import Batch, Item
from penstock.consumer.faults import Cause, DataFault, Fault, NotYetFault
from penstock.intents import Contract, EnvelopeError

PART = 250
"""How many records are decoded at a time: Postgres writes the ones before meanwhile."""


class Decoding:
    """Decodes the records of a batch as they are asked for, each once."""

    def __init__(self, batch: Batch, contract: Contract) -> None:
        """Take the batch, and what reads it."""
        self._items = batch.items
        self._contract = contract
        self._decoded = 0

    def parts(self) -> Iterator[Sequence[Item]]:
        """Go through the batch part by part, decoding what has not been decoded before."""
        for start in range(0, len(self._items), PART):
            part = self._items[start : start + PART]
            if start >= self._decoded:
                decode(part, self._contract)
                self._decoded = start + PART
            yield part

    def finds_any(self) -> bool:
        """Tell whether there is anything in the batch but what cannot be read at all; decode up to there."""
        return any(item.envelope for part in self.parts() for item in part)


def decode(items: Sequence[Item], contract: Contract) -> None:
    """Read records; what cannot be read is a data fault of its own record alone."""
    read = contract.decode
    for item in items:
        try:
            item.envelope = read(item.record["body"])
        except EnvelopeError as error:
            _mark(item, error)
        except Exception as error:  # noqa: BLE001 (a validator of the service's own may raise anything)
            item.fault = DataFault(Cause("validator-failed", fields=(type(error).__name__,)))


def _mark(item: Item, error: EnvelopeError) -> None:
    item.envelope = error.head
    # A producer may be deployed before the consumer: what it emits becomes known a little later.
    later = error.reason in {"unknown-kind", "unknown-version"}
    kind: type[Fault] = NotYetFault if later else DataFault
    item.fault = kind(Cause(error.reason, fields=error.fields))
