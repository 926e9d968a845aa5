"""The unit of work: what one transaction writes, and how much time it has."""

import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence, Set
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from typing import Any, TypeAlias
from uuid import UUID

from sqlalchemy import Connection

from penstock.consumer.batch import Item
from penstock.consumer.modes.base import Bound, Writes
from penstock.consumer.modes.statements import Claimed
from penstock.consumer.pipeline.decode import PART, StreamDecoder
from penstock.consumer.pipeline.ledger_outcomes import mark_stale
from penstock.consumer.pipeline.outcome_events import OutcomeEvents
from penstock.consumer.pipeline.session import limits, session_kept, set_limits
from penstock.consumer.rows.intent_set import IntentSet
from penstock.intents import Envelope

_ONE_STATEMENT = 0.4
"""The share of the time that one statement may take. The rest suffices to find a row that takes longer."""
_AFTER_TIMEOUT = 1 / 8
"""The same once one has taken too long: a row among a thousand is found with five more of them."""
_LEAST_LIMIT_SECONDS = 0.1

ByKind: TypeAlias = dict[str, list[Item]]


class UnitOfWork:
    """A batch that is written in one transaction.

    Attributes:
        connection: in the transaction.
        writes: how each kind is written, parents before their children. The order is always the same, so that two
            batches never wait for each other in a circle.
        expired: the decoded items that are not written, because they were taken up after their time.
        held: the decoded items that are not written, because their kind is held.
        stale: how many intents of each kind were stale, of those that were written in sets.
        written: how many intents of each kind were written in sets, as far as others of the set were not.
        committed: whether everything is committed.
        size: the number of items in the batch.
        waits: how often answers were waited for in round trips.
        clean: whether all decoded items so far are written in sets, each once.
        events: writes events about outcomes; None if there are none.
    """

    def __init__(
        self,
        connection: Connection,
        writes: Writes,
        decoder: StreamDecoder,
        seconds: float,
        *,
        events: OutcomeEvents | None = None,
        held_kinds: Set[str] = frozenset(),
    ) -> None:
        """Begin the unit of work, and its time.

        Args:
            connection: in the transaction.
            writes: how each kind is written.
            decoder: decodes the batch.
            seconds: how long statements may be begun, from now on.
            events: writes events about outcomes; None if there are none.
            held_kinds: the kinds whose items are set aside.
        """
        self.connection = connection
        self.writes = writes
        self.events = events
        self._decoder = decoder
        self._seconds = seconds
        self._limit = seconds * _ONE_STATEMENT
        self._end = time.monotonic() + seconds
        self.stale: Counter[str] = Counter()
        self.written: Counter[str] = Counter()
        self.committed = False
        self.waits = 0
        self.size = decoder.size
        self.clean = True
        self._first: dict[str, Item] = {}
        self._now = datetime.now(UTC)
        self._held_kinds = held_kinds
        self.expired: ByKind = {}
        self.held: ByKind = {}

    def note_wait(self) -> None:
        """Count a wait for answers."""
        self.waits += 1

    def note_commit(self, _: object) -> None:
        """Note that everything is committed."""
        self.committed = True

    def note_claimed(self, kind: str, items: Sequence[Item], claimed: Claimed) -> None:
        """Count what was written of a set, and mark what took effect before."""
        self.stale[kind] += claimed.stale
        self.written[kind] += len(items)
        if claimed.skipped:
            for item in items:
                item.duplicate = item.intent_id in claimed.skipped
            self.written[kind] -= sum(item.duplicate for item in items)

    def limits(self) -> list[bytes]:
        """Return the parameters of `PIN`."""
        return [limit.encode() for limit in limits(self._limit)]

    def set_limits(self) -> None:
        """Pin the settings of the transaction. A single statement may not use up all of its time."""
        set_limits(self.connection, self._limit)

    def limit_statements(self) -> None:
        """Limit the next statements to a part of the time left, so that a slow row can be found in time."""
        self._limit = max(_LEAST_LIMIT_SECONDS, (self._end - time.monotonic()) * _AFTER_TIMEOUT)
        set_limits(self.connection, self._limit)

    def session_kept(self) -> AbstractContextManager[None]:
        """Return a block at whose end the session is put back to what it was before."""
        return session_kept(self.connection, self._limit)

    def apply(self, bound: Bound, items: Sequence[Item]) -> None:
        """Write items of one kind that have been claimed, and mark those that are stale.

        Raises:
            Exception: as `Write.apply`.
        """
        with nullcontext() if bound.write.pipelined else self.session_kept():
            stale = bound.write.apply(self.connection, [item.require_envelope() for item in items])
        mark_stale(self.connection, stale)
        for item in items:
            item.stale = item.require_envelope().id in stale

    def out_of_time(self) -> bool:
        """Return whether the time is over: no other statement is begun."""
        return time.monotonic() > self._end

    def has_used(self, share: float) -> bool:
        """Return whether more than a share of the time, from 0 to 1, has passed."""
        return self._end - time.monotonic() < (1 - share) * self._seconds

    def intents(self, items: Sequence[Item]) -> IntentSet:
        """Return items of one kind as a set. What was let go is read once more."""
        self._decoder.read_again(items)
        return IntentSet.of_items(items)

    def id_conflicts(self, kind: str, envelopes: Sequence[Envelope[Any]]) -> Collection[UUID]:
        """Ask Postgres under which ids another payload took effect: once for each envelope that differs."""
        write = next(bound.write for bound in self.writes if bound.kind == kind)
        return write.id_conflicts(self.connection, envelopes)

    def decoded_parts(self, size: int = PART) -> Iterator[ByKind]:
        """Decode in parts of a size, and return the items to write: of items with the same id, only the first."""
        for part in self._decoder.parts(size):
            yield self._by_kind(part)

    def all_by_kind(self) -> ByKind:
        """Decode all parts, and return the items to write."""
        by_kind: ByKind = {}
        for part in self.decoded_parts():
            for kind, items in part.items():
                by_kind.setdefault(kind, []).extend(items)
        return by_kind

    def _by_kind(self, items: Iterable[Item]) -> ByKind:
        by_kind: ByKind = {}
        first, may_be_read = self._first, not self._held_kinds
        for item in items:
            # What was read together does not expire: the shortest way is that of almost all items.
            head = item.head if may_be_read and item.fault is None else None
            if head is None:
                self._place(item, by_kind)
            elif first.setdefault(head["id"], item) is item:
                by_kind.setdefault(head["type"], []).append(item)
            else:
                self._note_repeated(item, first[head["id"]])
        return by_kind

    def _place(self, item: Item, by_kind: ByKind) -> None:
        """Add an item to those that are written, or to those that are set aside, if it can be read and is new."""
        identity = item.identity
        if item.fault is not None or identity is None:
            self.clean = False
            return
        kind, id_ = identity
        first = self._first.setdefault(id_, item)
        if first is not item:
            self._note_repeated(item, first)
        elif item.expires_at is not None and item.expires_at <= self._now:
            item.expired = True
            self.clean = False
            self.expired.setdefault(kind, []).append(item)
        # A FIFO queue's order would suffer: nothing of it is held.
        elif kind in self._held_kinds and item.ordered_group is None:
            item.held = True
            self.clean = False
            self.held.setdefault(kind, []).append(item)
        else:
            by_kind.setdefault(kind, []).append(item)

    def _note_repeated(self, item: Item, first: Item) -> None:
        item.first_occurrence = first
        self.clean = False
