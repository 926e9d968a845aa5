"""The step `unpack`: a message that holds many intents becomes an item for each, as if each had been sent alone.

After the commit, the step `settle packs` (`penstock.consumer.pipeline.settle_packs`) decides what becomes of the
message.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from penstock.consumer.batch import Batch, Item, Pack
from penstock.consumer.faults.tree import Cause, DataFault, PayloadFault
from penstock.intents import Contract
from penstock.intents.packs import PackError, may_be_pack, split

BATCH_INTENTS: Final = 60_000
"""Once a batch has so many intents, no other pack is read: Lambda's 6 MB may hold a million tiny ones."""

_NO_ROOM: Final = PayloadFault(Cause("pack-room"))


def unpack(batch: Batch, contract: Contract) -> Collection[Item]:
    """Replace the packs of a batch by their intents. If there is no room for a pack, it goes back.

    Returns:
        The items that need no decoding any more: they have their envelope, or a fault.
    """
    if not any(may_be_pack(item.record["body"]) for item in batch.items):
        return ()
    unpacked = _Unpacked(contract)
    for item in batch.items:
        unpacked.add(item)
    batch.items = unpacked.items
    return unpacked.done


class _Unpacked:
    """The items of a batch, those in packs too."""

    def __init__(self, contract: Contract) -> None:
        self.items: list[Item] = []
        self.done: set[Item] = set()
        self._contract = contract

    def add(self, item: Item) -> None:
        """Add an item, or the intents of the pack that it is."""
        body = item.record["body"]
        if not may_be_pack(body):
            self.items.append(item)
        elif len(self.items) >= BATCH_INTENTS:
            self._add_faulty(item, _NO_ROOM)
        elif not self._add_decoded(item):
            self._add_split(item)

    def _add_faulty(self, item: Item, fault: DataFault | PayloadFault) -> None:
        item.fault = fault
        self.items.append(item)
        self.done.add(item)

    def _add_decoded(self, item: Item) -> bool:
        """Decode a pack as a whole, if that is possible; return whether it was."""
        envelopes = self._contract.decode_pack(item.record["body"])
        if not envelopes:
            return False
        pack = Pack(item.record)
        for number, envelope in enumerate(envelopes):
            member = Item(_MemberRecord(pack, number), pack=pack)
            member.envelope = envelope
            pack.items.append(member)
        self.items += pack.items
        self.done.update(pack.items)
        return True

    def _add_split(self, item: Item) -> None:
        """Split a pack into intents that are decoded one by one."""
        try:
            texts = split(item.record["body"])
        except PackError as error:
            self._add_faulty(item, DataFault(Cause("malformed-pack", fields=error.fields)))
            return
        if texts is None:
            self.items.append(item)
            return
        pack = Pack(item.record, texts=texts)
        pack.items += (Item(_MemberRecord(pack, number), pack=pack) for number in range(len(texts)))
        self.items += pack.items


class _MemberRecord(Mapping[str, Any]):
    """The record of one intent of a pack: that of the message, with an id and a body of its own.

    The body is needed only if the intent is sent alone.
    """

    __slots__ = ("_number", "_pack")

    def __init__(self, pack: Pack, number: int) -> None:
        self._pack = pack
        self._number = number

    def __getitem__(self, name: str) -> Any:
        if name == "body":
            return self._body()
        if name == "messageId":
            return f"{self._pack.record['messageId']}#{self._number}"
        return self._pack.record[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._pack.record)

    def __len__(self) -> int:
        return len(self._pack.record)

    def _body(self) -> str:
        if self._pack.texts is None:
            self._pack.texts = split(self._pack.record["body"]) or []
        return self._pack.texts[self._number]
