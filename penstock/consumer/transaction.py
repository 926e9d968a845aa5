"""One batch, one transaction: the steps `claim`, `apply`, `isolate`, `settle`, `commit`."""

import random
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from penstock.consumer.batch import Batch, Item
from penstock.consumer.claim import claim, enter_faults, mark_stale
from penstock.consumer.faults import Cause, ConflictFault, DataFault, EnvironmentFault, Fault
from penstock.consumer.isolate import write_isolated
from penstock.consumer.modes import Bound
from penstock.consumer.sqlstates import fault_of
from penstock.consumer.tombstones import lock_mortals
from penstock.database.watchdog import Watchdog

Writes = Sequence[Bound]
"""How each kind is written, parents before their children."""

_ATTEMPTS = 4
_FIRST_PAUSE_SECONDS = 0.05
_LONGEST_RESERVE_SECONDS = 8.0
_LEAST_SECONDS = 0.5
_SETTLING = 0.25
"""The part of a transaction's time in which nothing more is begun: faults are entered, and it commits."""

_LIMITS = text(
    "SELECT set_config('statement_timeout', :limit, true), set_config('lock_timeout', :half, true),"
    " set_config('TimeZone', 'UTC', true)"
)
_CHECK_NOW = text("SET CONSTRAINTS ALL IMMEDIATE")


def land(database: Watchdog, batch: Batch, writes: Writes) -> None:
    """Write everything in the batch that can be written, and enter every outcome in the ledger.

    On return the transaction is committed, and each item that did not land has its fault.

    Raises:
        Fault: the transaction failed as a whole: nothing has changed, in the database or in the batch.
    """
    if not any(item.envelope for item in batch.items):
        return
    # Kept for what comes after the commit: dead letters, visibility, the answer.
    until = batch.deadline - min(_LONGEST_RESERVE_SECONDS, batch.seconds_left / 4)
    check_now = False
    for attempt in range(_ATTEMPTS):
        try:
            _transaction(database, batch, writes, until, check_now=check_now)
            return
        except (SQLAlchemyError, Fault) as error:
            fault = fault_of(error) if isinstance(error, SQLAlchemyError) else error
            # A deferred constraint speaks up at COMMIT, when there is no telling whose row it means.
            deferred = isinstance(fault, DataFault) and not check_now
            if not (deferred or isinstance(fault, ConflictFault)) or attempt == _ATTEMPTS - 1:
                raise fault from None if fault is error else error
            check_now = check_now or deferred
        time.sleep(random.uniform(0, _FIRST_PAUSE_SECONDS * 2**attempt))  # noqa: S311 (jitter is no secret)


def _transaction(database: Watchdog, batch: Batch, writes: Writes, until: float, *, check_now: bool) -> None:
    seconds = until - time.monotonic()
    if seconds < _LEAST_SECONDS:
        raise EnvironmentFault(Cause("DeadlineExceeded"))
    last_call = until - seconds * _SETTLING
    with database.transaction(seconds) as connection:
        _set_limits(connection, seconds * (1 - _SETTLING))
        if check_now:
            connection.execute(_CHECK_NOW)
        faults = {item: item.fault for item in batch.items if item.fault}
        faults |= _apply(connection, _first_of_each_id(batch), writes, last_call)
        waiting = enter_faults(connection, faults)
    for item, fault in faults.items():
        item.fault = fault
    for item in waiting:
        item.waits = True


def _set_limits(connection: Connection, seconds: float) -> None:
    """Have Postgres give up before Lambda does, for this transaction only: proxies share the session."""
    milliseconds = int(seconds * 1000)
    connection.execute(_LIMITS, {"limit": str(milliseconds), "half": str(milliseconds // 2)})


def _first_of_each_id(batch: Batch) -> dict[str, list[Item]]:
    """Sort the items by kind; one that comes second with its id is the twin of the first."""
    first: dict[UUID, Item] = {}
    by_kind: dict[str, list[Item]] = {}
    for item in batch.items:
        if item.fault is None and item.envelope is not None:
            twin = first.setdefault(item.envelope.id, item)
            item.twin = twin if twin is not item else None
            if item.twin is None:
                by_kind.setdefault(item.envelope.type, []).append(item)
    return by_kind


def _apply(
    connection: Connection, by_kind: Mapping[str, Sequence[Item]], writes: Writes, last_call: float
) -> dict[Item, Fault]:
    """Write kind after kind, always in the same order: two batches never wait for each other in a circle."""
    lock_mortals(connection, [bound for bound in writes if bound.kind in by_kind])
    faults: dict[Item, Fault] = {}
    for bound in writes:
        items = by_kind.get(bound.kind, [])
        found = write_isolated(
            connection, items, partial(_write, connection, bound), lambda: time.monotonic() > last_call
        )
        faults.update((items[index], fault) for index, fault in found.items())
    return faults


def _write(connection: Connection, bound: Bound, items: Sequence[Item]) -> None:
    envelopes: list[Any] = [item.envelope for item in claim(connection, items)]
    stale = bound.write.apply(connection, envelopes) if envelopes else ()
    if stale:
        mark_stale(connection, stale)
