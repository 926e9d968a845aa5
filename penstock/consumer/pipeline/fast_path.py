"""The fast path through a transaction: one statement claims and writes a whole set of one kind.

Statements are sent without waiting for answers (PostgreSQL documentation, "Pipeline Mode"), so a batch takes as
many round trips as one statement would. Kinds that need no order, among themselves or with other kinds, are sent
while the rest of the batch is still being decoded.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import psycopg
from sqlalchemy import Connection

from penstock.consumer.batch import Item
from penstock.consumer.faults.tree import Fault
from penstock.consumer.modes.base import Bound
from penstock.consumer.modes.tombstones import lock_deletable_tables
from penstock.consumer.pipeline.bisect import LATE, SLICE
from penstock.consumer.pipeline.savepoint import Savepoint
from penstock.consumer.pipeline.unit_of_work import ByKind, UnitOfWork
from penstock.database.engine import READ_ONLY
from penstock.queue.chunks import chunked

_SLOW = 0.25
"""After this part of the time each statement is waited for, so that it is known what has been written."""


def run_fast_path(work: UnitOfWork) -> dict[Item, Fault]:
    """Claim and write everything, on the assumption that every row is valid and every id is new.

    Returns:
        The items that there was no time for, each with a fault that says so.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: Postgres refused a row, or an id is already in the ledger; the transaction
            must be rolled back.
        psycopg.Error: the same.
        pydantic_core.PydanticSerializationError: an envelope cannot be serialized.
        penstock.consumer.Fault: a `Custom` function failed.
    """
    with _pipeline(work.connection) as pipeline:
        writer = _FastWriter(work, pipeline)
        work.set_limits()
        rest = writer.write_while_decoding()
        lock_deletable_tables(work.connection, [bound for bound in work.writes if bound.kind in rest])
        writer.write(rest, pipelined=True)
    if any(bound.kind in rest and not bound.write.pipelined for bound in work.writes):
        # The savepoint reveals a function that swallows an error of Postgres or ends the transaction.
        savepoint = Savepoint(work.connection)
        writer.write(rest, pipelined=False)
        savepoint.close()
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

    def __init__(self, work: UnitOfWork, pipeline: psycopg.Pipeline) -> None:
        self.faults: dict[Item, Fault] = {}
        self._work = work
        self._pipeline = pipeline
        self._unanswered = 0

    def write_while_decoding(self) -> ByKind:
        """Send each kind that may be streamed as soon as a part of it is decoded; return all other items."""
        streams = {bound.kind: bound for bound in self._work.writes if bound.streams}
        rest: ByKind = {}
        for part in self._work.decoded_parts():
            for kind, items in part.items():
                if kind in streams:
                    self._send(streams[kind], items)
                else:
                    rest.setdefault(kind, []).extend(items)
        return rest

    def write(self, rest: ByKind, *, pipelined: bool) -> None:
        """Send one kind after another."""
        for bound in self._work.writes:
            if bound.kind in rest and bound.write.pipelined is pipelined:
                # A keyed mode locks rows: all in one statement, so that they are locked in the order of their
                # keys.
                size = SLICE if bound.write.key is None else len(rest[bound.kind])
                for items in chunked(rest[bound.kind], size):
                    self._send(bound, items)

    def _send(self, bound: Bound, items: Sequence[Item]) -> None:
        if bound.write.pipelined and (self._unanswered >= SLICE or self._work.has_used(_SLOW)):
            self._pipeline.sync()
            self._unanswered = 0
        if self._work.out_of_time():
            self.faults |= dict.fromkeys(items, LATE)
            return
        with nullcontext() if bound.write.pipelined else self._work.session_kept():
            bound.write.claim_and_write(self._work.connection, [item.require_envelope() for item in items])
        self._unanswered += len(items)
