"""One batch, one transaction: the steps `claim`, `apply`, `isolate`, `settle`, `commit`."""

import random
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from penstock.consumer.batch import Batch, Item
from penstock.consumer.claim import bury, claim, unclaim
from penstock.consumer.faults import ConflictFault, DataFault, Fault
from penstock.consumer.isolate import write_isolated
from penstock.consumer.modes import Write
from penstock.consumer.sqlstates import fault_of

Writes = Mapping[str, Write]
"""How each kind is written, in the order in which their tables are."""

_ATTEMPTS = 4
_FIRST_PAUSE_SECONDS = 0.05
_RESERVE_SECONDS = 8.0
"""Kept for what comes after the commit: dead letters, visibility, the answer."""

_LIMITS = text("SELECT set_config('statement_timeout', :limit, true), set_config('lock_timeout', :limit, true)")
_CHECK_NOW = text("SET CONSTRAINTS ALL IMMEDIATE")


def land(engine: Engine, batch: Batch, writes: Writes) -> None:
    """Write everything in the batch that can be written, and enter every outcome in the ledger.

    On return the transaction is committed, and each item that cannot land has its fault.

    Raises:
        Fault: the transaction failed as a whole: nothing has changed, in the database or in the batch.
    """
    if not any(item.envelope for item in batch.items):
        return
    check_now = False
    for attempt in range(_ATTEMPTS):
        try:
            _transaction(engine, batch, writes, check_now=check_now)
            return
        except SQLAlchemyError as error:
            fault = fault_of(error)
            # A deferred constraint speaks up at COMMIT, when there is no telling whose row it means.
            deferred = isinstance(fault, DataFault) and not check_now
            if not (deferred or isinstance(fault, ConflictFault)) or attempt == _ATTEMPTS - 1:
                raise fault from error
            check_now = check_now or deferred
        time.sleep(random.uniform(0, _FIRST_PAUSE_SECONDS * 2**attempt))  # noqa: S311 (jitter is no secret)


def _transaction(engine: Engine, batch: Batch, writes: Writes, *, check_now: bool) -> None:
    with engine.begin() as connection:
        _set_limits(connection, batch)
        if check_now:
            connection.execute(_CHECK_NOW)
        claimed = claim(connection, batch.landable)
        faults = _apply(connection, claimed, writes)
        unclaim(connection, faults)
        bury(connection, _hopeless(batch, faults))
    for item, fault in faults.items():
        item.fault = fault


def _set_limits(connection: Connection, batch: Batch) -> None:
    """Have Postgres give up before Lambda does, for this transaction only: proxies share the session."""
    milliseconds = max(1, int((batch.seconds_left - _RESERVE_SECONDS) * 1000))
    connection.execute(_LIMITS, {"limit": str(milliseconds)})


def _apply(connection: Connection, claimed: Sequence[Item], writes: Writes) -> dict[Item, DataFault]:
    """Write kind after kind, always in the same order: two batches never wait for each other in a circle."""
    by_kind: dict[str, list[Item]] = {}
    for item in claimed:
        by_kind.setdefault(item.envelope.type, []).append(item)  # type: ignore[union-attr]
    faults: dict[Item, DataFault] = {}
    for kind, write in writes.items():
        items = by_kind.get(kind, [])
        envelopes: list[Any] = [item.envelope for item in items]
        found = write_isolated(connection, envelopes, partial(write.apply, connection))
        faults.update((items[index], fault) for index, fault in found.items())
    return faults


def _hopeless(batch: Batch, found: Mapping[Item, DataFault]) -> dict[Item, Fault]:
    faults: dict[Item, Fault] = {item: item.fault for item in batch.items if item.fault}
    return {item: fault for item, fault in {**faults, **found}.items() if item.hopeless_with(fault)}
