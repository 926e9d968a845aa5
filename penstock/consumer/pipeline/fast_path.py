"""The straight way through a transaction: one statement claims and writes a whole set of one kind.

Statements are sent without waiting for answers (PostgreSQL documentation, "Pipeline Mode"), so that a batch takes
as many round trips as one statement would. What needs no order among itself or with other kinds is sent while the
rest of the batch is still being decoded.
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
from penstock.consumer.pipeline.unit_of_work import ByKind, Work
from penstock.database.engine import READ_ONLY

_SLOW = 0.25
"""After this part of the time each part of the batch is waited for, so that what has been done is known."""


def write_straight(work: Work) -> dict[Item, Fault]:
    """Claim and write all of it.

    Returns:
        What there was no time for, with a fault that says so.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: Postgres refused something, or something was known before; the transaction
            is to be rolled back.
        psycopg.Error: the same.
        pydantic_core.PydanticSerializationError: an envelope cannot be written.
        penstock.consumer.Fault: a write itself knows what is wrong.
    """
    with _pipeline(work.connection) as pipeline:
        straight = _Straight(work, pipeline)
        work.set_limits()
        rest = straight.write_as_decoded()
        lock_deletable_tables(work.connection, [bound for bound in work.writes if bound.kind in rest])
        straight.write(rest, pipelined=True)
    if any(bound.kind in rest and not bound.write.pipelined for bound in work.writes):
        # A function that swallows an error, or ends the transaction, is found out here.
        savepoint = Savepoint(work.connection)
        straight.write(rest, pipelined=False)
        savepoint.close()
    return straight.faults


@contextmanager
def _pipeline(connection: Connection) -> Iterator[psycopg.Pipeline]:
    driver: Any = connection.connection.driver_connection
    raised: Exception | None = None
    try:
        with driver.pipeline() as pipeline:
            try:
                yield pipeline
            except Exception as error:  # noqa: BLE001 (psycopg would log what comes of it at the end)
                raised = error
    except psycopg.Error as error:
        raised = raised or error
    if raised:
        if getattr(raised, "sqlstate", None) == READ_ONLY:
            connection.invalidate(raised)
        raise raised


class _Straight:
    def __init__(self, work: Work, pipeline: psycopg.Pipeline) -> None:
        self.faults: dict[Item, Fault] = {}
        self._work = work
        self._pipeline = pipeline
        self._on_the_way = 0

    def write_as_decoded(self) -> ByKind:
        """Send what can go as soon as it is decoded; return the rest."""
        streams = {bound.kind: bound for bound in self._work.writes if bound.streams}
        rest: ByKind = {}
        for part in self._work.parts():
            for kind, items in part.items():
                if kind in streams:
                    self._send(streams[kind], items)
                else:
                    rest.setdefault(kind, []).extend(items)
        return rest

    def write(self, rest: ByKind, *, pipelined: bool) -> None:
        """Write kind after kind."""
        for bound in self._work.writes:
            if bound.kind in rest and bound.write.pipelined is pipelined:
                # In one go where rows are locked: in the order of their keys, all of them.
                size = SLICE if bound.write.key is None else len(rest[bound.kind])
                for start in range(0, len(rest[bound.kind]), size):
                    self._send(bound, rest[bound.kind][start : start + size])

    def _send(self, bound: Bound, items: Sequence[Item]) -> None:
        if bound.write.pipelined and (self._on_the_way >= SLICE or self._work.overdue(_SLOW)):
            self._pipeline.sync()
            self._on_the_way = 0
        if self._work.late():
            self.faults |= dict.fromkeys(items, LATE)
            return
        with nullcontext() if bound.write.pipelined else self._work.session_kept():
            bound.write.land(self._work.connection, [item.sound for item in items])
        self._on_the_way += len(items)
