"""The fast path: one statement claims and writes a whole set of one kind.

It assumes that every row is valid, and skips what took effect before. A kind with several writes has a statement
for each; the first one claims. Each statement is answered before the next one is sent. `one_trip` sends all of
them together; what it cannot send comes here: functions of the service's, and everything if a pooler does not pass
pipelines on.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import chain
from typing import Any

from penstock.consumer.batch import Item
from penstock.consumer.faults.tree import Fault
from penstock.consumer.modes.base import Bound, BoundWrite, tables_first
from penstock.consumer.modes.tombstones import lock_deletable_tables
from penstock.consumer.pipeline.bisect import LATE, SLICE
from penstock.consumer.pipeline.savepoint import Savepoint
from penstock.consumer.pipeline.unit_of_work import ByKind, UnitOfWork
from penstock.intents import Envelope
from penstock.queue.chunks import chunked


def run_fast_path(work: UnitOfWork) -> dict[Item, Fault]:
    """Claim and write everything, on the assumption that every row is valid.

    Returns:
        The items that there was no time for, each with a fault that says so.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: Postgres refused a row, or the ledger has another intent under its id; the
            transaction must be rolled back.
        pydantic_core.PydanticSerializationError: an envelope cannot be serialized.
        penstock.consumer.Fault: a `Custom` function failed.
    """
    work.set_limits()
    by_kind = work.all_by_kind()
    here = [bound for bound in work.writes if bound.kind in by_kind]
    streams = {bound.kind: by_kind.pop(bound.kind) for bound in here if bound.streams}
    writer = _Writer(work)
    # In the order of `one_trip`, which sends the streamed kinds before it knows the others.
    for bound in here:
        for items in sets(bound, streams.get(bound.kind, ())):
            writer.write(bound, items)
    lock_deletable_tables(work.connection, [bound for bound in here if bound.kind in by_kind])
    for bound, part in tables_first(here):
        if bound.kind in by_kind and bound.write.pipelined:
            for items in sets(bound, by_kind[bound.kind]):
                writer.write_part(bound, part, items)
    faults = writer.faults | write_with_functions(work, by_kind)
    if work.events:
        everything = chain.from_iterable([*streams.values(), *by_kind.values()])
        work.events.announce_landed(work.connection, {*everything} - faults.keys())
    return faults


def write_with_functions(work: UnitOfWork, by_kind: ByKind) -> dict[Item, Fault]:
    """Write the kinds with a function of the service's, one set after another: it may take long.

    Raises:
        Exception: as `run_fast_path`.
    """
    here = [bound for bound in work.writes if bound.kind in by_kind and not bound.write.pipelined]
    writer = _Writer(work)
    if here:
        # The savepoint reveals a function that swallows an error of Postgres or ends the transaction.
        savepoint = Savepoint(work.connection)
        for bound in here:
            for items in sets(bound, by_kind[bound.kind]):
                writer.write(bound, items)
        savepoint.close()
    return writer.faults


def sets(bound: Bound, items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    """Cut the items of a kind in sets. A keyed mode locks rows: all in one set, in the order of their keys."""
    return chunked(items, max(1, len(items)) if bound.write.keyed else SLICE)


class _Writer:
    """Sends one statement after another."""

    def __init__(self, work: UnitOfWork) -> None:
        self.faults: dict[Item, Fault] = {}
        self._work = work

    def write(self, bound: Bound, items: Sequence[Item]) -> None:
        for part in bound.parts:
            self.write_part(bound, part, items)

    def write_part(self, bound: Bound, part: BoundWrite, items: Sequence[Item]) -> None:
        if part is bound.parts[0]:
            self._claim_and_write(bound, part, items)
        else:
            # What has been claimed is written to all tables, however late it is. A function has no statement that
            # leaves out what was skipped.
            left = [item for item in items if item not in self.faults and not item.duplicate]
            self._write_further(bound, part, left)

    def _claim_and_write(self, bound: Bound, part: BoundWrite, items: Sequence[Item]) -> None:
        if self._work.out_of_time():
            self.faults |= dict.fromkeys(items, LATE)
            return
        with self._session_kept(part):
            claimed = part.write.claim_and_write(self._work.connection, _envelopes(items))
        self._work.note_claimed(bound.kind, items, claimed)

    def _write_further(self, bound: Bound, part: BoundWrite, items: Sequence[Item]) -> None:
        if items:
            with self._session_kept(part):
                landed = part.write.write_further(self._work.connection, _envelopes(items))
            self._work.stale[bound.kind] -= landed

    def _session_kept(self, part: BoundWrite) -> AbstractContextManager[None]:
        return nullcontext() if part.write.pipelined else self._work.session_kept()


def _envelopes(items: Sequence[Item]) -> list[Envelope[Any]]:
    return [item.require_envelope() for item in items]
