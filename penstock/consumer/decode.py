"""The steps `decode` and `validate`: from records to envelopes, in one pass over each text."""

from penstock.consumer.batch import Batch, Item
from penstock.consumer.faults import Cause, DataFault, Fault, NotYetFault
from penstock.intents import Contract, EnvelopeError


def decode(batch: Batch, contract: Contract) -> None:
    """Read every record; what cannot be read is a data fault of its own record alone."""
    for item in batch.items:
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
