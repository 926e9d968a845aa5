"""The step `unpack`: a message that holds many intents becomes an item for each, as if each had been sent alone.

After the commit, the step `settle packs` (`penstock.consumer.pipeline.settle_packs`) decides what becomes of the
message.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from penstock.consumer.batch import Batch, Item, Pack
from penstock.consumer.faults.tree import Cause, DataFault
from penstock.intents import Contract
from penstock.intents.packs import PackError, may_be_pack, split


def unpack(batch: Batch, contract: Contract) -> Collection[Item]:
    """Replace the packs of a batch by their intents.

    Returns:
        The items that need no decoding any more: they have their envelope, or a fault.
    """
    if not any(may_be_pack(item.record["body"]) for item in batch.items):
        return ()
    done: set[Item] = set()
    batch.items = [one for item in batch.items for one in _items(item, contract, done)]
    return done


def _items(item: Item, contract: Contract, done: set[Item]) -> Iterator[Item]:
    body = item.record["body"]
    if not may_be_pack(body):
        yield item
        return
    pack = Pack(item.record)
    envelopes = contract.decode_pack(body)
    if envelopes:
        for number, envelope in enumerate(envelopes):
            decoded = Item(_MemberRecord(pack, number), envelope, pack=pack)
            done.add(decoded)
            pack.items.append(decoded)
        yield from pack.items
        return
    try:
        texts = split(body)
    except PackError as error:
        item.fault = DataFault(Cause("malformed-pack", fields=error.fields))
        done.add(item)
        texts = None
    if texts is None:
        yield item
        return
    pack.texts = texts
    pack.items += (Item(_MemberRecord(pack, number), pack=pack) for number in range(len(texts)))
    yield from pack.items


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
