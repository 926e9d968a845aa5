"""One batch, one transaction: the steps `claim`, `apply`, `isolate`, `settle`, `commit`.

There are two ways through it. The straight one takes it that all is well: one statement for each kind claims and
writes, and whatever Postgres has against any of it ends the attempt. The careful one then finds out which intents
were meant.
"""

import random
import time
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from enum import Enum
from typing import Any, TypeAlias

import psycopg
from psycopg.pq import TransactionStatus
from pydantic_core import PydanticSerializationError
from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from penstock.consumer.batch import Batch, Item
from penstock.consumer.faults.sqlstate import connection_was_lost, fault_of
from penstock.consumer.faults.tree import Cause, ConflictFault, DataFault, DeploymentFault, EnvironmentFault, Fault
from penstock.consumer.modes.base import Writes
from penstock.consumer.modes.ledger_claims import enter_faults, mark_reused
from penstock.consumer.pipeline.decode import Decoding
from penstock.consumer.pipeline.fast_path import write_straight
from penstock.consumer.pipeline.fifo import OutOfOrder, keep_order
from penstock.consumer.pipeline.isolating_path import write_carefully
from penstock.consumer.pipeline.unit_of_work import Work

_CONFLICTS = 3
_FIRST_PAUSE_SECONDS = 0.05
_LONGEST_RESERVE_SECONDS = 8.0
_LEAST_SECONDS = 0.5
_SETTLING = 0.25
"""The part of a transaction's time in which nothing more is begun: faults are entered, and it commits."""

CHECK_NOW = text("SET CONSTRAINTS ALL IMMEDIATE")

_ID_REUSED = DataFault("id-reused")

Begin: TypeAlias = Callable[[float], AbstractContextManager[Connection]]
"""Begins a transaction that may take so many seconds; it ends with the block, and a trial's leaves nothing."""


class Way(Enum):
    """How a batch is written."""

    STRAIGHT = 1
    CAREFUL = 2
    CHECKING = 3
    """Careful, and deferred constraints may not wait: at COMMIT there is no telling whose row they mean."""


def land(begin: Begin, batch: Batch, decoding: Decoding, writes: Writes, *, way: Way = Way.STRAIGHT) -> None:
    """Write everything in the batch that can be written, and enter every outcome in the ledger.

    On return the transaction has ended, and each item that did not land has its fault.

    Args:
        begin: begins the transaction.
        batch: the batch.
        decoding: decodes it; what comes early may be on its way to Postgres before the rest is decoded.
        writes: how each kind is written, parents before their children.
        way: the way to begin with.

    Raises:
        Fault: the transaction failed as a whole: nothing has changed in the database.
    """
    if not decoding.finds_any():
        return
    attempts = _Attempts(batch, way)
    while True:
        try:
            _transaction(begin, batch, decoding, writes, attempts)
            return
        except OutOfOrder as found:
            found.hold_back()
        except (SQLAlchemyError, psycopg.Error, PydanticSerializationError, Fault) as error:
            attempts.failed(error)


class _Attempts:
    """What has been tried, and whether it is tried once more."""

    def __init__(self, batch: Batch, way: Way) -> None:
        self.way = way
        # Kept for what comes after the commit: dead letters, visibility, the answer.
        self._until = batch.deadline - min(_LONGEST_RESERVE_SECONDS, batch.seconds_left / 4)
        self._conflicts = 0
        self._lost = False

    @property
    def seconds_left(self) -> float:
        return self._until - time.monotonic()

    def failed(self, error: Exception) -> None:
        """Choose how to go on.

        Raises:
            Fault: there is no other way.
        """
        fault = fault_of(error)
        if isinstance(fault, ConflictFault) and self._conflicts < _CONFLICTS:
            time.sleep(random.uniform(0, _FIRST_PAUSE_SECONDS * 2**self._conflicts))  # noqa: S311 (no secret)
            self._conflicts += 1
        elif connection_was_lost(error) and not self._lost and self.seconds_left > _LEAST_SECONDS:
            # As after a freeze of the function, or a failover. If it had committed, the ledger knows.
            self._lost = True
        elif self.way is Way.STRAIGHT and not isinstance(fault, EnvironmentFault):
            self.way = Way.CAREFUL
        elif self.way is Way.CAREFUL and not isinstance(fault, EnvironmentFault):
            self.way = Way.CHECKING
        else:
            raise fault from error


def _transaction(begin: Begin, batch: Batch, decoding: Decoding, writes: Writes, attempts: _Attempts) -> None:
    seconds = attempts.seconds_left
    if seconds < _LEAST_SECONDS:
        raise EnvironmentFault(Cause("DeadlineExceeded"))
    with begin(seconds) as connection:
        work = Work(connection, writes, decoding, seconds * (1 - _SETTLING))
        if attempts.way is Way.CHECKING:
            connection.execute(CHECK_NOW)
        faults = (write_straight if attempts.way is Way.STRAIGHT else write_carefully)(work)
        faults |= {item: item.fault for item in batch.items if item.fault}
        faults |= _reused(work, batch, faults)
        entered = enter_faults(connection, faults)
        keep_order(batch, faults, entered.waiting)
        _see_that_it_is_open(connection)
    for item, fault in faults.items():
        item.fault = fault
    for item in entered.waiting:
        item.waits = True
    for item in entered.repeated:
        item.fault, item.duplicate = None, True


def _reused(work: Work, batch: Batch, faults: Collection[Item]) -> dict[Item, Fault]:
    """Find what has the id of something else that has taken effect, here or before."""
    found = [item for item in batch.items if item.reused]
    for item in batch.items:
        if item.twin and not item.repeats(item.twin):
            # Where the twin is at odds with what has taken effect, this one need not be.
            item.duplicate = item.twin.reused and not work.reused(item)
            if item.twin not in faults and not item.duplicate:
                found.append(item)
    mark_reused(work.connection, {item.sound.id for item in found})
    return dict.fromkeys(found, _ID_REUSED)


def _see_that_it_is_open(connection: Connection) -> None:
    """Refuse to take for committed what a function of the service's has ended or broken: COMMIT would not."""
    driver: Any = connection.connection.driver_connection
    if driver.pgconn.transaction_status != TransactionStatus.INTRANS:
        raise DeploymentFault("TransactionBroken")
