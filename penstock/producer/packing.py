"""Packs: `emit_many` puts many small intents of one kind in one message, if the setting allows it.

An intent is sent alone if it would not fit in a pack, on a FIFO queue, which keeps the order of messages, and with
a delay, which is that of a message. The intents of a pack have one message group, that of their tenant.
"""

from dataclasses import dataclass, field
from datetime import UTC
from typing import Any, Generic, TypeAlias, TypeVar
from uuid import UUID

from penstock.intents import WriteIntent, kind_of
from penstock.intents.encoding import encode_data
from penstock.intents.packs import MOST_INTENTS, PackRow, PackWriter
from penstock.intents.sealed import Seal
from penstock.producer.addressing import EmitCall, message_attributes
from penstock.producer.large import INTENT_LIMIT_BYTES, SendBatch
from penstock.producer.trace import Trace
from penstock.queue import Outgoing

I = TypeVar("I", bound=WriteIntent)  # noqa: E741

_Key: TypeAlias = tuple[type[WriteIntent], str | None]
"""What the intents of a pack share: their class and their message group."""


@dataclass(slots=True)
class _Pack:
    """A pack that is not full.

    Attributes:
        writer: collects its intents.
        room: how many bytes its body may have.
        positions: those of its intents in what is emitted.
    """

    writer: PackWriter
    room: int
    positions: list[int] = field(default_factory=list)

    def has_room(self, row: PackRow) -> bool:
        """Return whether another intent fits."""
        return self.writer.size_with(row) <= self.room and len(self.positions) < MOST_INTENTS


class Packing(Generic[I]):
    """Packs the intents of one call, and adds each pack to its batch once it is full."""

    def __init__(self, batch: SendBatch, call: EmitCall[I], trace: Trace | None, seal: Seal, limit: int) -> None:
        """Prepare to pack.

        Args:
            batch: gets the packs.
            call: the call of `emit` or `emit_many`.
            trace: the trace of the call.
            seal: encrypts the values of `Sensitive` fields.
            limit: the largest size of a pack as a message, in bytes; 0 if nothing is packed.
        """
        self._batch = batch
        self._call = call
        self._trace = trace
        self._seal = seal
        self._limit = 0 if call.fifo or call.delay else min(limit, INTENT_LIMIT_BYTES)
        self._open: dict[_Key, _Pack] = {}

    def add(self, intent: I, id_: UUID, position: int) -> bool:
        """Pack an intent; return whether that was done. If not, it is to be sent alone.

        Raises:
            Exception: as `penstock.producer.emit`.
        """
        if not self._limit:
            return False
        expires_at = self._call.expiry_of(intent)
        expiry = expires_at.astimezone(UTC).isoformat() if expires_at else None
        data = encode_data(intent, id=id_, seal=self._seal)
        row = PackRow.of(str(id_), intent.intent_time.isoformat(), expiry, data)
        key = type(intent), self._call.group_of(intent)
        pack = self._open.get(key)
        if pack is None or not pack.has_room(row):
            begun = self._begin(intent)
            if not begun.has_room(row):
                return False
            if pack:
                self._close(key)
            self._open[key] = pack = begun
        pack.writer.add(row)
        pack.positions.append(position)
        return True

    def close(self) -> None:
        """Add the packs that are left to the batch."""
        for key in [*self._open]:
            self._close(key)

    def _close(self, key: _Key) -> None:
        intent, group = key
        pack = self._open.pop(key)
        header = self._trace.header if self._trace else None
        message = Outgoing(pack.writer.text(), message_attributes(kind_of(intent), 0), group, trace=header)
        self._batch.add(message, pack.positions)

    def _begin(self, intent: I) -> _Pack:
        shared: dict[str, Any] = {
            "source": self._call.source,
            "type": kind_of(intent),
            "datacontenttype": "application/json",
            "dataversion": intent.intent_version,
            **({"traceparent": self._trace.traceparent} if self._trace else {}),
        }
        attributes = message_attributes(kind_of(intent), 0)
        taken = sum(len(name) + value.size for name, value in attributes.items())
        return _Pack(PackWriter(shared), self._limit - taken)
