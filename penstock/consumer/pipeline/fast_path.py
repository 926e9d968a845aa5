"""The fast path through a transaction: one statement claims and writes a whole set of one kind.

A kind with several writes has a statement for each; the first one claims.

Statements are sent without waiting for answers (PostgreSQL documentation, "Pipeline Mode"), so a batch takes as
many round trips as one statement would. Kinds that need no order, among themselves or with other kinds, are sent
while the rest of the batch is still being decoded.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import chain
from typing import Any

import psycopg
from sqlalchemy import Connection

from penstock.consumer.batch import Item
from penstock.consumer.faults.tree import Fault
from penstock.consumer.modes.base import Bound, BoundWrite, tables_first
from penstock.consumer.modes.statements import Count
from penstock.consumer.modes.tombstones import lock_deletable_tables
from penstock.consumer.pipeline.bisect import LATE, SLICE
from penstock.consumer.pipeline.savepoint import Savepoint
from penstock.consumer.pipeline.unit_of_work import ByKind, UnitOfWork
from penstock.database.engine import READ_ONLY
from penstock.intents import Envelope
from penstock.queue.chunks import chunked

_SLOW = 0.25
"""After this part of the time each statement is waited for, so that it is known what has been written."""


def run_fast_path(work: UnitOfWork, *, pipelined: bool) -> dict[Item, Fault]:
    """Claim and write everything, on the assumption that every row is valid and every id is new.

    Args:
        work: the batch.
        pipelined: whether statements are sent before earlier ones are answered. Some poolers cannot pass that on.

    Returns:
        The items that there was no time for, each with a fault that says so.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: Postgres refused a row, or an id is already in the ledger; the transaction
            must be rolled back.
        psycopg.Error: the same.
        pydantic_core.PydanticSerializationError: an envelope cannot be serialized.
        penstock.consumer.Fault: a `Custom` function failed.
    """
    with _pipeline(work.connection) if pipelined else nullcontext() as pipeline:
        writer = _FastWriter(work, pipeline)
        work.set_limits()
        rest = writer.write_while_decoding()
        lock_deletable_tables(work.connection, [bound for bound in work.writes if bound.kind in rest])
        writer.write_pipelined(rest)
        functions = any(bound.kind in rest and not bound.write.pipelined for bound in work.writes)
        if work.events and not functions:
            work.events.announce_landed(work.connection, writer.written)
    if functions:
        # The savepoint reveals a function that swallows an error of Postgres or ends the transaction.
        savepoint = Savepoint(work.connection)
        writer.write_with_functions(rest)
        savepoint.close()
        if work.events:
            work.events.announce_landed(work.connection, writer.written)
    writer.count_stale()
    return writer.faults


@contextmanager
def _pipeline(connection: Connection) -> Iterator[psycopg.Pipeline]:
    driver: Any = connection.connection.driver_connection
    raised: Exception | None = None
    try:
        with driver.pipeline() as pipeline:
            try:
                yield pipeline
            except Exception as error:  # noqa: BLE001 (psycopg would log the errors that follow from it)
                raised = error
    except psycopg.Error as error:
        raised = raised or error
    if raised:
        if getattr(raised, "sqlstate", None) == READ_ONLY:
            connection.invalidate(raised)
        raise raised


class _FastWriter:
    """Sends one statement after another, and waits for answers only now and then."""

    def __init__(self, work: UnitOfWork, pipeline: psycopg.Pipeline | None) -> None:
        self.faults: dict[Item, Fault] = {}
        self._sets: list[Sequence[Item]] = []
        self._work = work
        self._pipeline = pipeline
        self._unanswered = 0
        self._stale: list[tuple[str, Count]] = []
        self._corrected: list[tuple[str, Count]] = []

    @property
    def written(self) -> Iterator[Item]:
        """The items that have been claimed and written."""
        return chain.from_iterable(self._sets)

    def write_while_decoding(self) -> ByKind:
        """Send each kind that may be streamed as soon as a part of it is decoded; return all other items."""
        streams = {bound.kind: bound for bound in self._work.writes if bound.streams}
        rest: ByKind = {}
        for part in self._work.decoded_parts():
            for kind, items in part.items():
                if kind in streams:
                    self._send_all(streams[kind], items)
                else:
                    rest.setdefault(kind, []).extend(items)
        return rest

    def write_pipelined(self, rest: ByKind) -> None:
        """Send one table after another, of all kinds without a function of the service's."""
        for bound, part in tables_first(self._work.writes):
            if bound.kind in rest and bound.write.pipelined:
                for items in _sets(bound, rest):
                    self._send(bound, part, items)

    def write_with_functions(self, rest: ByKind) -> None:
        """Write one set after another, of all kinds with a function of the service's: it may take long."""
        for bound in self._work.writes:
            if bound.kind in rest and not bound.write.pipelined:
                for items in _sets(bound, rest):
                    self._send_all(bound, items)

    def count_stale(self) -> None:
        """Count the stale intents of each kind, once all statements are answered."""
        for kind, count in self._stale:
            self._work.stale[kind] += count()
        for kind, count in self._corrected:
            self._work.stale[kind] -= count()

    def _send_all(self, bound: Bound, items: Sequence[Item]) -> None:
        for part in bound.parts:
            self._send(bound, part, items)

    def _send(self, bound: Bound, part: BoundWrite, items: Sequence[Item]) -> None:
        if self._pipeline and bound.write.pipelined:
            self._wait_now_and_then(self._pipeline)
        if part is bound.parts[0]:
            self._claim_and_write(bound, part, items)
        else:
            # What has been claimed is written to all tables, however late it is.
            self._write_further(bound, part, [item for item in items if item not in self.faults])
        self._unanswered += len(items)

    def _wait_now_and_then(self, pipeline: psycopg.Pipeline) -> None:
        if self._unanswered >= SLICE or self._work.has_used(_SLOW):
            pipeline.sync()
            self._unanswered = 0

    def _claim_and_write(self, bound: Bound, part: BoundWrite, items: Sequence[Item]) -> None:
        if self._work.out_of_time():
            self.faults |= dict.fromkeys(items, LATE)
            return
        with self._session_kept(part):
            stale = part.write.claim_and_write(self._work.connection, _envelopes(items))
        self._stale.append((bound.kind, stale))
        self._sets.append(items)

    def _write_further(self, bound: Bound, part: BoundWrite, items: Sequence[Item]) -> None:
        if items:
            with self._session_kept(part):
                corrected = part.write.write_further(self._work.connection, _envelopes(items))
            self._corrected.append((bound.kind, corrected))

    def _session_kept(self, part: BoundWrite) -> AbstractContextManager[None]:
        return nullcontext() if part.write.pipelined else self._work.session_kept()


def _sets(bound: Bound, rest: ByKind) -> Iterator[Sequence[Item]]:
    """Cut the items of a kind in sets. A keyed mode locks rows: all in one set, in the order of their keys."""
    items = rest[bound.kind]
    return chunked(items, len(items) if bound.write.keyed else SLICE)


def _envelopes(items: Sequence[Item]) -> list[Envelope[Any]]:
    return [item.require_envelope() for item in items]
