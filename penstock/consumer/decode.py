"""The steps `decode` and `validate`: from records to envelopes, in one pass over each text."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

from penstock.consumer.batch import Batch, Item
from penstock.consumer.faults import Cause, DataFault, Fault, NotYetFault
from penstock.intents import Contract, EnvelopeError


@contextmanager
def _collecting_later() -> Iterator[None]:
    """Leave cyclic garbage alone meanwhile.

    Envelopes make none, but each few hundred of them have the collector look at all of the batch again: it takes a
    third of the time of decoding.
    """
    on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if on:
            gc.enable()


def decode(batch: Batch, contract: Contract) -> None:
    """Read every record; what cannot be read is a data fault of its own record alone."""
    with _collecting_later():
        for item in batch.items:
            _decode(item, contract)


def _decode(item: Item, contract: Contract) -> None:
    try:
        item.envelope = contract.decode(item.record["body"])
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
