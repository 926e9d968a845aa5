"""The step `fetch payloads`: a message may refer to an envelope in the service's own bucket, which is read here.

It comes before the transaction, so that no transaction waits for S3. A message is data: the object that it names
is read only if it is a payload in that bucket. Its size and SHA-256 must be those in the message, and its envelope
must be of the same intent.
"""

from collections.abc import Collection, Iterable, Mapping, Set
from dataclasses import replace
from typing import Any

from penstock.consumer.batch import Batch, Item
from penstock.consumer.faults.tree import Cause, DataFault, DeploymentFault, Fault, PayloadFault
from penstock.consumer.pipeline.decode import decode_fault
from penstock.intents import Contract, Envelope
from penstock.intents.encoding import digest_of
from penstock.intents.reference import Reference, may_refer, read_reference
from penstock.queue.payloads import FetchFailure, PayloadError, PayloadRef, Payloads, key_in

BATCH_BYTES = 32_000_000
"""The most bytes that are read for one batch, so that its memory is bounded. A single payload may be larger."""

SHARE_OF_TIME = 0.3
"""The share of the time left in which payloads are read. The rest is for the transaction."""

SHARE_OF_TIME_FOR_KEYS = 0.2
"""The share of the time left in which data keys are unwrapped."""

_NO_BUCKET = DeploymentFault(Cause("payload-bucket-unset"))
_FOREIGN = DataFault(Cause("payload-foreign"))
_TOO_LARGE = DataFault(Cause("payload-too-large"))
_ALTERED = DataFault(Cause("payload-altered"))
_NO_TEXT = DataFault(Cause("not-json"))
_MISSING = DataFault(Cause("payload-missing"))
_NO_ROOM = PayloadFault(Cause("payload-room"))
_NOT_TRIED = PayloadFault(Cause("payload-not-tried"))


class PayloadFetcher:
    """Reads the envelopes that the messages of a batch refer to."""

    def __init__(self, payloads: Payloads | None, limit: int, contract: Contract) -> None:
        """Keep what is needed to fetch.

        Args:
            payloads: the service's own bucket; None if it has none.
            limit: the most bytes of one payload.
            contract: decodes an envelope.
        """
        self._payloads = payloads
        self._limit = limit
        self._contract = contract

    def fetch(self, batch: Batch, decoded: Collection[Item] = ()) -> Set[Item]:
        """Give each item that refers to a payload the envelope in it, or a fault. Return all of these items.

        Args:
            batch: the batch.
            decoded: its items that need no decoding any more.
        """
        references = _references(batch, self._contract, decoded)
        if references and self._payloads is None:
            _set_fault(references, _NO_BUCKET)
        elif references and self._payloads:
            wanted = self._allowed(references, self._payloads.bucket)
            fetched = self._payloads.get(set(wanted.values()), timeout_seconds=batch.seconds_left * SHARE_OF_TIME)
            texts = (body.decode(errors="ignore") for body in fetched.values() if isinstance(body, bytes))
            self._contract.prepare(texts, timeout_seconds=batch.seconds_left * SHARE_OF_TIME_FOR_KEYS)
            for item, ref in wanted.items():
                item.fault = self._open(item, references[item], fetched[ref])
        return references.keys()

    def _allowed(self, references: Mapping[Item, Reference], bucket: str) -> dict[Item, PayloadRef]:
        """Choose the payloads that may be read, as many as there is room for."""
        chosen: dict[Item, PayloadRef] = {}
        room = BATCH_BYTES
        for item, reference in references.items():
            key = key_in(bucket, reference.dataref)
            if key is None:
                item.fault = _FOREIGN
            elif reference.datasize > self._limit:
                item.fault = _TOO_LARGE
            elif reference.datasize > room and chosen:
                item.fault = _NO_ROOM
            else:
                chosen[item] = PayloadRef(key, reference.datasize)
                room -= reference.datasize
        return chosen

    def _open(self, item: Item, reference: Reference, fetched: bytes | FetchFailure) -> Fault | None:
        if isinstance(fetched, FetchFailure):
            return _fetch_fault(fetched)
        if digest_of(fetched) != reference.datadigest:
            return _ALTERED
        try:
            envelope = self._contract.decode(fetched.decode())
        except UnicodeDecodeError:
            return _NO_TEXT
        except Exception as error:  # noqa: BLE001 (a validator of the service may raise anything)
            return decode_fault(error)
        if not _same_head(item.require_envelope(), envelope):
            return _ALTERED
        item.envelope = envelope
        return None


def fetch_keys(batch: Batch, contract: Contract, decoded: Collection[Item] = ()) -> None:
    """Unwrap the data keys of the encrypted values in the messages of a batch, without those that are decoded."""
    bodies = (item.record["body"] for item in batch.items if item not in decoded)
    contract.prepare(bodies, timeout_seconds=batch.seconds_left * SHARE_OF_TIME_FOR_KEYS)


def skip_payloads(batch: Batch, contract: Contract) -> Set[Item]:
    """Read nothing: give each item that refers to a payload a fault that says so. Return all of these items."""
    references = _references(batch, contract)
    _set_fault(references, _NOT_TRIED)
    return references.keys()


def _references(batch: Batch, contract: Contract, decoded: Collection[Item] = ()) -> Mapping[Item, Reference]:
    """Find the references, and give each item its head: an envelope without data."""
    found = [item for item in batch.items if item not in decoded and may_refer(item.record["body"])]
    references = {item: known for item in found if (known := read_reference(item.record["body"]))}
    for item, reference in references.items():
        item.envelope = replace(reference, type=contract.current_name(reference.type))
    return references


def _set_fault(items: Iterable[Item], fault: Fault) -> None:
    for item in items:
        item.fault = fault


def _same_head(head: Envelope[Any], envelope: Envelope[Any]) -> bool:
    return all(
        getattr(head, name) == getattr(envelope, name) for name in ("id", "source", "type", "time", "expirytime")
    )


def _fetch_fault(failure: FetchFailure) -> Fault:
    match failure.error:
        case PayloadError.MISSING:
            return _MISSING
        case PayloadError.SIZE_MISMATCH:
            return _ALTERED
        case PayloadError.DENIED:
            return DeploymentFault(Cause("payload-denied", fields=(failure.code,)))
        case PayloadError.UNAVAILABLE:
            return PayloadFault(Cause("payload-unavailable", fields=(failure.code,)))
