"""The step `redeem`: of a message that refers to an envelope in the service's own bucket, that envelope is read.

It comes before the transaction, so that none waits for S3. A message is data: what it names is read only if it is
a payload in that very bucket, of the size and with the digest that it says, and speaks of the same intent.
"""

from collections.abc import Iterable, Mapping, Set
from dataclasses import replace
from typing import Any

from penstock.consumer.batch import Batch, Item
from penstock.consumer.faults.tree import Cause, DataFault, DeploymentFault, Fault, PayloadFault
from penstock.consumer.pipeline.decode import unreadable
from penstock.intents import Contract, Envelope
from penstock.intents.reference import Reference, may_refer, read_reference
from penstock.intents.sealing import digest_of
from penstock.queue.payloads import FetchFailure, PayloadError, PayloadRef, Payloads, key_in

BATCH_BYTES = 32_000_000
"""The most bytes that are read for one batch, so that its memory is bounded; of a larger payload one."""

PART_OF_THE_TIME = 0.3
"""What is not read in this part of the time that is left goes back: the transaction needs the rest."""

_NO_BUCKET = DeploymentFault(Cause("payload-bucket-unset"))
_FOREIGN = DataFault(Cause("payload-foreign"))
_TOO_LARGE = DataFault(Cause("payload-too-large"))
_ALTERED = DataFault(Cause("payload-altered"))
_NO_TEXT = DataFault(Cause("not-json"))
_MISSING = DataFault(Cause("payload-missing"))
_NO_ROOM = PayloadFault(Cause("payload-room"))
_NOT_TRIED = PayloadFault(Cause("payload-not-tried"))


class Redeeming:
    """Reads what the messages of a batch refer to."""

    def __init__(self, payloads: Payloads | None, limit: int, contract: Contract) -> None:
        """Take the service's own payloads, if it has any, how large one may be, and what reads envelopes."""
        self._payloads = payloads
        self._limit = limit
        self._contract = contract

    def redeem(self, batch: Batch) -> Set[Item]:
        """Give each item that refers to an envelope that envelope, or its fault; return all of these items."""
        references = _references(batch, self._contract)
        if references and self._payloads is None:
            _refuse(references, _NO_BUCKET)
        elif references and self._payloads:
            wanted = self._wanted(references, self._payloads.bucket)
            got = self._payloads.get(set(wanted.values()), timeout_seconds=batch.seconds_left * PART_OF_THE_TIME)
            for item, want in wanted.items():
                item.fault = self._open(item, references[item], got[want])
        return references.keys()

    def _wanted(self, references: Mapping[Item, Reference], bucket: str) -> dict[Item, PayloadRef]:
        """Choose what to read: what may be read at all, and as much of it as there is room for."""
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

    def _open(self, item: Item, reference: Reference, got: bytes | FetchFailure) -> Fault | None:
        if isinstance(got, FetchFailure):
            return _lacking(got)
        if digest_of(got) != reference.datadigest:
            return _ALTERED
        try:
            envelope = self._contract.decode(got.decode())
        except UnicodeDecodeError:
            return _NO_TEXT
        except Exception as error:  # noqa: BLE001 (a validator of the service's own may raise anything)
            return unreadable(error)
        if not _agree(item.sound, envelope):
            return _ALTERED
        item.envelope = envelope
        return None


def leave(batch: Batch, contract: Contract) -> Set[Item]:
    """Read nothing: give each item that refers to an envelope a fault that says so; return all of these items."""
    references = _references(batch, contract)
    _refuse(references, _NOT_TRIED)
    return references.keys()


def _references(batch: Batch, contract: Contract) -> Mapping[Item, Reference]:
    """Find the references, and have each item known by its head, as an envelope without data."""
    found = [item for item in batch.items if may_refer(item.record["body"])]
    references = {item: known for item in found if (known := read_reference(item.record["body"]))}
    for item, reference in references.items():
        item.envelope = replace(reference, type=contract.current_name(reference.type))
    return references


def _refuse(items: Iterable[Item], fault: Fault) -> None:
    for item in items:
        item.fault = fault


def _agree(head: Envelope[Any], envelope: Envelope[Any]) -> bool:
    return all(getattr(head, name) == getattr(envelope, name) for name in ("id", "source", "type", "time"))


def _lacking(unread: FetchFailure) -> Fault:
    match unread.error:
        case PayloadError.MISSING:
            return _MISSING
        case PayloadError.SIZE_MISMATCH:
            return _ALTERED
        case PayloadError.DENIED:
            return DeploymentFault(Cause("payload-denied", fields=(unread.code,)))
        case PayloadError.UNAVAILABLE:
            return PayloadFault(Cause("payload-unavailable", fields=(unread.code,)))
