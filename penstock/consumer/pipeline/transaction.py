"""One batch, one transaction: the steps `claim`, `apply`, `isolate`, `settle`, `commit`.

The fast path assumes that every row is valid and every id is new: one statement per kind claims and writes, and
COMMIT is sent along. It finds the intents at fault in a set that Postgres refuses. If it fails as a whole, the
transaction is rolled back, and the isolating path finds them.
"""

import random
import time
from collections.abc import Collection, Mapping, Set
from enum import Enum
from typing import Any

from psycopg.pq import TransactionStatus
from sqlalchemy import Connection, text

from penstock.consumer.batch import Batch, Item
from penstock.consumer.faults.sqlstate import connection_was_lost, fault_of, is_outage
from penstock.consumer.faults.tree import Cause, ConflictFault, DataFault, DeploymentFault, EnvironmentFault, Fault
from penstock.consumer.modes.base import Writes
from penstock.consumer.pipeline.decode import StreamDecoder
from penstock.consumer.pipeline.fast_path import run_fast_path
from penstock.consumer.pipeline.fifo import OutOfOrder, check_group_order
from penstock.consumer.pipeline.halves import Begin, SessionLost, write_in_halves
from penstock.consumer.pipeline.holding import Holds, HoldsChanged, HoldsUnknown
from penstock.consumer.pipeline.isolating_path import run_isolating_path
from penstock.consumer.pipeline.ledger_outcomes import EnteredFaults, enter_faults, mark_id_conflicts
from penstock.consumer.pipeline.one_trip import run_in_one_trip
from penstock.consumer.pipeline.outcome_events import OutcomeEvents
from penstock.consumer.pipeline.retention import set_aside_ending
from penstock.consumer.pipeline.set_aside import settle_set_aside
from penstock.consumer.pipeline.twins import conflicting
from penstock.consumer.pipeline.unit_of_work import UnitOfWork
from penstock.consumer.retention import Retention

_CONFLICTS = 5
_FIRST_PAUSE_SECONDS = 0.05
_LONGEST_RESERVE_SECONDS = 8.0
_LEAST_SECONDS = 0.5
_SETTLING = 0.25
"""The share of the transaction's time that is kept for entering faults and for COMMIT: no write is begun in it."""

CHECK_NOW = text("SET CONSTRAINTS ALL IMMEDIATE")

_ID_REUSED = DataFault("id-reused")


class WriteStrategy(Enum):
    """How a transaction writes its batch."""

    ONE_TRIP = 1
    """The fast path, all statements sent together."""
    ONE_BY_ONE = 2
    """The fast path, each statement answered before the next one is sent."""
    ISOLATE = 3
    """The isolating path."""
    IMMEDIATE_CONSTRAINTS = 4
    """The isolating path, without deferred constraints: an error at COMMIT would not name the row."""


_NEXT = {
    WriteStrategy.ONE_TRIP: WriteStrategy.ISOLATE,
    WriteStrategy.ONE_BY_ONE: WriteStrategy.ISOLATE,
    WriteStrategy.ISOLATE: WriteStrategy.IMMEDIATE_CONSTRAINTS,
}
"""The strategy after one with which Postgres refused the batch."""


def write_batch(
    begin: Begin,
    batch: Batch,
    decoder: StreamDecoder,
    writes: Writes,
    *,
    strategy: WriteStrategy = WriteStrategy.ONE_TRIP,
    dry: bool = False,
    retention: Retention | None = None,
    events: OutcomeEvents | None = None,
    holds: Holds | None = None,
) -> None:
    """Write everything in the batch that can be written, and enter every outcome in the ledger.

    On return the transaction has ended, and each item that was not written has its fault. A transaction that fails
    is repeated while another attempt may succeed: without the items that broke the order of a FIFO queue, after a
    conflict or a lost connection, or with the next strategy.

    Args:
        begin: begins a transaction.
        batch: the batch.
        decoder: decodes the batch part by part; the fast path sends a part to Postgres before the next is decoded.
        writes: how each kind is written, parents before their children.
        strategy: the first strategy.
        dry: whether nothing is committed.
        retention: how long the queue keeps the messages; None if they are not from a queue.
        events: writes events about outcomes; None if there are none.
        holds: the kinds that are held; None to write all kinds.

    Raises:
        Fault: the transaction failed as a whole: nothing has changed in the database.
    """
    if not decoder.has_envelopes():
        return

    def write(part: Batch, its_decoder: StreamDecoder) -> None:
        attempts = _Attempts(part, strategy, retention, dry=dry, events=events, holds=holds)
        _write_at_once(begin, part, its_decoder, writes, attempts)

    try:
        write(batch, decoder)
    except SessionLost as lost:
        if retention is None or not write_in_halves(begin, batch, decoder, write, events):
            raise lost.fault from lost


def _write_at_once(
    begin: Begin, batch: Batch, decoder: StreamDecoder, writes: Writes, attempts: "_Attempts"
) -> None:
    while True:
        try:
            _run_transaction(begin, batch, decoder, writes, attempts)
            return
        except OutOfOrder as error:
            error.hold_back()
        except HoldsUnknown:
            pass
        except HoldsChanged:
            attempts.forget_holds()
        except Exception as error:  # noqa: BLE001 (a type of the service's may raise anything for one value)
            attempts.prepare_next(error)
        for item in batch.items:
            item.forget_attempt()


class _Attempts:
    """What has been attempted, and what is attempted next."""

    def __init__(
        self,
        batch: Batch,
        strategy: WriteStrategy,
        retention: Retention | None,
        *,
        dry: bool,
        events: OutcomeEvents | None,
        holds: Holds | None,
    ) -> None:
        self.strategy = strategy
        # The order of a FIFO queue is checked before the commit.
        self.commits_in_trip = not dry and not batch.is_ordered
        self.retention = retention
        self.events = events
        # The rest is kept for the steps after the commit: dead letters, visibility, the response.
        self._end = batch.deadline - min(_LONGEST_RESERVE_SECONDS, batch.seconds_left / 4)
        self._holds = holds
        self._conflicts = 0
        self._lost_connection = False

    @property
    def seconds_left(self) -> float:
        return self._end - time.monotonic()

    def is_patient(self, item: Item) -> bool:
        """Return whether it is too soon to give up an item that cannot be written yet."""
        return self.retention is not None and self.retention.is_patient(item)

    def held_kinds(self, connection: Connection) -> Set[str]:
        """Return the kinds that are held.

        Raises:
            HoldsUnknown: they cannot be read; the transaction is broken.
        """
        return self._holds.kinds(connection) if self._holds else frozenset()

    def forget_holds(self) -> None:
        """Read the kinds that are held again."""
        if self._holds:
            self._holds.forget()

    def prepare_next(self, error: Exception) -> None:
        """Choose how the next attempt is made, after a failed one.

        Raises:
            Fault: there is no other attempt to make.
            SessionLost: the connection was lost for the second time.
        """
        fault = fault_of(error)
        if isinstance(fault, ConflictFault) and self._conflicts < _CONFLICTS:
            time.sleep(random.uniform(0, _FIRST_PAUSE_SECONDS * 2**self._conflicts))  # noqa: S311 (no secret)
            self._conflicts += 1
        elif connection_was_lost(error) and self.seconds_left > _LEAST_SECONDS:
            # The function was frozen, or there was a failover. If the transaction committed, the ledger has the
            # ids.
            if self._lost_connection:
                raise SessionLost(fault) from error
            self._lost_connection = True
            # Or a pooler that cannot pass pipelines on has cut it.
            if self.strategy is WriteStrategy.ONE_TRIP:
                self.strategy = WriteStrategy.ONE_BY_ONE
        elif self.strategy in _NEXT and not is_outage(fault):
            self.strategy = _NEXT[self.strategy]
        else:
            raise fault from error


def _run_transaction(
    begin: Begin, batch: Batch, decoder: StreamDecoder, writes: Writes, attempts: _Attempts
) -> None:
    seconds = attempts.seconds_left
    if seconds < _LEAST_SECONDS:
        raise EnvironmentFault(Cause("DeadlineExceeded"))
    with begin(seconds) as connection:
        held = attempts.held_kinds(connection)
        limit = seconds * (1 - _SETTLING)
        work = UnitOfWork(connection, writes, decoder, limit, events=attempts.events, held_kinds=held)
        faults, entered = _claim_and_apply(work, attempts), EnteredFaults()
        if not work.committed:
            faults, entered = _settle(work, batch, faults, attempts)
            _check_transaction_is_open(connection)
    batch.stale.update(work.stale)
    batch.waits += work.waits
    _set_results(faults, entered)


def _claim_and_apply(work: UnitOfWork, attempts: _Attempts) -> dict[Item, Fault]:
    match attempts.strategy:
        case WriteStrategy.ONE_TRIP:
            faults = run_in_one_trip(work, commit=attempts.commits_in_trip)
        case WriteStrategy.ONE_BY_ONE:
            faults = run_fast_path(work)
        case WriteStrategy.ISOLATE:
            faults = run_isolating_path(work)
        case WriteStrategy.IMMEDIATE_CONSTRAINTS:
            work.connection.execute(CHECK_NOW)
            faults = run_isolating_path(work)
    return faults | settle_set_aside(work)


def _settle(
    work: UnitOfWork, batch: Batch, faults: dict[Item, Fault], attempts: _Attempts
) -> tuple[dict[Item, Fault], EnteredFaults]:
    """Enter what was not written, and announce what was; return all faults, and what was entered."""
    faults |= {item: item.fault for item in batch.items if item.fault}
    faults |= _find_id_conflicts(work, batch, faults)
    if faults and attempts.retention:
        faults = set_aside_ending(faults, attempts.retention)
    entered = enter_faults(work.connection, faults, attempts.is_patient)
    check_group_order(batch, faults, entered.retry_later)
    if attempts.events:
        claimed = [item for item in batch.items if item.claimed]
        attempts.events.announce(work.connection, [*claimed, *entered.entered])
    return faults, entered


def _find_id_conflicts(work: UnitOfWork, batch: Batch, faults: Collection[Item]) -> dict[Item, Fault]:
    """Find the items whose id belongs to another payload that has taken effect, in this batch or before it."""
    found = [item for item in batch.items if item.id_conflict]
    repeated = [(item, item.first_occurrence) for item in batch.items if item.first_occurrence]
    twins = [(item, first) for item, first in repeated if not item.same_payload(first)]
    # If the first conflicts with what took effect before, another one may still be a duplicate of that.
    doubtful = [item for item, first in twins if first.id_conflict]
    differing = conflicting(work, doubtful) if doubtful else set()
    for item, first in twins:
        item.duplicate = first.id_conflict and item not in differing
        if first not in faults and not item.duplicate:
            found.append(item)
    mark_id_conflicts(work.connection, {item.require_envelope().id for item in found})
    return dict.fromkeys(found, _ID_REUSED)


def _check_transaction_is_open(connection: Connection) -> None:
    """Refuse to commit if a `Custom` function ended or broke the transaction: COMMIT itself would not fail."""
    driver: Any = connection.connection.driver_connection
    if driver.pgconn.transaction_status != TransactionStatus.INTRANS:
        raise DeploymentFault("TransactionBroken")


def _set_results(faults: Mapping[Item, Fault], entered: EnteredFaults) -> None:
    for item, fault in faults.items():
        item.fault = fault
    for item in entered.retry_later:
        item.retry_later = True
    for item in entered.duplicates:
        item.fault, item.duplicate = None, True
