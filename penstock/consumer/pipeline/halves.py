"""A row that ends the session: the batch is written in halves, in transactions of their own.

A trigger or a function of an extension may end the session that writes a row. No savepoint outlives that. If the
connection was lost twice for the same batch, its halves are written one after another, and theirs, down to the
row. A row is at fault if its session ends each time that it is written alone, while others of its batch are
committed and the database answers. If nothing else is committed, nothing is decided. A pooler without a free
connection ends sessions too: a transaction without rows comes first, and if it fails, no part is written.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import TypeAlias

from sqlalchemy import Connection, text

from penstock.consumer.batch import Batch, Item
from penstock.consumer.faults.sqlstate import fault_of
from penstock.consumer.faults.tree import Cause, DataFault, EnvironmentFault, Fault
from penstock.consumer.pipeline.decode import StreamDecoder
from penstock.consumer.pipeline.ledger_outcomes import enter_faults
from penstock.consumer.pipeline.outcome_events import OutcomeEvents

Begin: TypeAlias = Callable[[float], AbstractContextManager[Connection]]
"""Begins a transaction with a time limit in seconds. It commits at the end of the block, except in a dry run."""

Write: TypeAlias = Callable[[Batch, StreamDecoder], None]
"""Writes a batch in one transaction; or raises a fault, or `SessionLost`."""

_MOST = 10
"""The most rows of a batch that are found to end their session. More of them are a sign of another trouble."""

_UNDECIDED = EnvironmentFault(Cause("SessionLost"))
_LIMIT_SECONDS = 5.0
_NOTHING = text("SELECT 1")


class SessionLost(Exception):
    """The connection was lost twice for the same batch."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(str(fault.cause))
        self.fault = fault


def write_in_halves(
    begin: Begin, batch: Batch, decoder: StreamDecoder, write: Write, events: OutcomeEvents | None
) -> bool:
    """Write a batch whose session ends, in parts; return whether any part was committed.

    On return each item that was not written has its fault. A FIFO queue's order would suffer, so its batches are
    never cut up; nor is a single item, which has no other beside it.
    """
    if len(batch.items) == 1 or any(item.ordered_group for item in batch.items):
        return False
    if not _database_answers(begin, batch):
        return False
    halves = _Halves(batch, decoder, write)
    if not halves.write_all():
        return False
    halves.confirm()
    if halves.lost:
        _enter(begin, batch, halves.lost, events)
    return True


class _Halves:
    """Writes parts of a batch, and keeps the rows whose session ended."""

    def __init__(self, batch: Batch, decoder: StreamDecoder, write: Write) -> None:
        self.lost: dict[Item, Fault] = {}
        self._batch = batch
        self._decoder = decoder
        self._write = write
        self._committed = False

    def write_all(self) -> bool:
        """Write all parts; return whether any was committed."""
        parts = _halves(self._batch.items)
        while parts:
            some = parts.pop()
            lost = self._try(some)
            if lost and (len(some) == 1 or len(self.lost) >= _MOST):
                self.lost.update(dict.fromkeys(some, lost))
            elif lost:
                parts += _halves(some)
        return self._committed

    def confirm(self) -> None:
        """Write each row again whose session ended, after all others."""
        several = len(self.lost) > _MOST
        for item in list(self.lost):
            lost = None if several else self._try([item])
            if lost is None:
                del self.lost[item]
            if several:
                item.fault = _UNDECIDED

    def _try(self, items: Sequence[Item]) -> Fault | None:
        """Write a part; return the fault if its session ended. Another fault is that of its items."""
        part = Batch(list(items), self._batch.deadline, self._batch.function_version)
        try:
            self._write(part, self._decoder.of(part))
            self._batch.stale.update(part.stale)
            self._committed = True
        except SessionLost as lost:
            return lost.fault
        except Fault as fault:
            for item in items:
                item.fault = item.fault or fault
        return None


def _database_answers(begin: Begin, batch: Batch) -> bool:
    """Return whether a transaction without rows succeeds. If not, no row is to blame."""
    try:
        with begin(min(_LIMIT_SECONDS, batch.seconds_left / 4)) as connection:
            connection.execute(_NOTHING)
    except Exception:  # noqa: BLE001 (whatever it is, the batch goes back with the fault that is known)
        return False
    return True


def _halves(items: Sequence[Item]) -> list[Sequence[Item]]:
    middle = len(items) // 2
    return [half for half in (items[middle:], items[:middle]) if half]


def _enter(begin: Begin, batch: Batch, lost: dict[Item, Fault], events: OutcomeEvents | None) -> None:
    """Enter the rows as dead. If the database does not answer any more, nothing is decided."""
    faults: dict[Item, Fault] = {
        item: DataFault(replace(fault.cause, reason="session-ended")) for item, fault in lost.items()
    }
    try:
        with begin(min(_LIMIT_SECONDS, batch.seconds_left / 2)) as connection:
            entered = enter_faults(connection, faults).entered
            if events:
                events.announce(connection, entered)
    except Exception as error:  # noqa: BLE001 (other parts are committed: nothing may raise)
        faults = dict.fromkeys(lost, fault_of(error))
    for item, fault in faults.items():
        item.fault = fault
