"""What is to be written in one transaction, and the time that there is for it."""

import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from typing import TypeAlias

from sqlalchemy import Connection

from penstock.consumer.batch import Item
from penstock.consumer.modes.base import Writes
from penstock.consumer.pipeline.decode import Decoding
from penstock.consumer.pipeline.session import session_kept, set_limits

ByKind: TypeAlias = dict[str, list[Item]]


class Work:
    """A batch that is written in a transaction.

    Attributes:
        connection: in the transaction.
        writes: how each kind is written, parents before their children: always in the same order, so that two
            batches never wait for each other in a circle.
    """

    def __init__(self, connection: Connection, writes: Writes, decoding: Decoding, seconds: float) -> None:
        """Take what is to be written, and within how many seconds from now."""
        self.connection = connection
        self.writes = writes
        self._decoding = decoding
        self._seconds = seconds
        self._last_call = time.monotonic() + seconds
        self._first: dict[int, Item] = {}

    def set_limits(self) -> None:
        """Pin the settings of the transaction."""
        set_limits(self.connection, self._seconds)

    def session_kept(self) -> AbstractContextManager[None]:
        """Return a block at whose end the session is put back to what it was before."""
        return session_kept(self.connection, self._seconds)

    def late(self) -> bool:
        """Tell whether nothing more is begun."""
        return time.monotonic() > self._last_call

    def parts(self) -> Iterator[ByKind]:
        """Return what can be written, part by part as it is decoded; of two items with the same id the first."""
        for part in self._decoding.parts():
            yield self._by_kind(part)

    def overdue(self, part: float) -> bool:
        """Tell whether more than a part of the time has passed."""
        return self._last_call - time.monotonic() < (1 - part) * self._seconds

    def reused(self, item: Item) -> bool:
        """Ask whether something else has taken effect under an item's id."""
        write = next(bound.write for bound in self.writes if bound.kind == item.sound.type)
        return bool(write.reused(self.connection, [item.sound]))

    def all(self) -> ByKind:
        """Return all of it at once."""
        by_kind: ByKind = {}
        for part in self.parts():
            for kind, items in part.items():
                by_kind.setdefault(kind, []).extend(items)
        return by_kind

    def _by_kind(self, items: Iterable[Item]) -> ByKind:
        by_kind: ByKind = {}
        for item in items:
            # Of a try before this one, which was rolled back.
            item.claimed = item.duplicate = item.reused = False
            envelope = item.envelope
            if item.fault is None and envelope is not None:
                first = self._first.setdefault(envelope.id.int, item)
                item.twin = None if first is item else first
                if first is item:
                    by_kind.setdefault(envelope.type, []).append(item)
        return by_kind
