"""Retention: the ledger and the tombstones drop entries that are older than any message.

The ledger has two generations. Claims are inserted into the current one and looked up in both. A rotation
truncates the past one and swaps the names of the two. An entry is therefore kept for at least 30 days and at most
about 60, and a rotation takes the same time for any number of entries. Tombstones are deleted row by row, in small
batches.
"""

import random
import time
from dataclasses import dataclass

from psycopg.errors import DeadlockDetected, LockNotAvailable, SerializationFailure
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from penstock.database.watchdog import Watchdog

KEPT_DAYS = 30
"""14 days on the queue and 14 on the dead-letter queue, the longest that SQS keeps a message; and 2 to spare."""

ROTATED = "rotated"
NOT_DUE = "not-due"
POSTPONED = "postponed"

_BATCH = 5000
_MIN_PAUSE_SECONDS, _MAX_PAUSE_SECONDS = 1.0, 3.0
_IN_USE = (LockNotAvailable, DeadlockDetected, SerializationFailure)

# After a clock that was ahead has been corrected, the next rotation must not be delayed by the difference.
_CLAMP_TO_NOW = text(
    "UPDATE penstock.rotation SET rotated_at = pg_catalog.clock_timestamp()"
    " WHERE rotated_at > pg_catalog.clock_timestamp()"
)
_DUE = text(
    "SELECT rotated_at <= pg_catalog.clock_timestamp() - pg_catalog.make_interval(days => :days)"
    " FROM penstock.rotation"
)
# Drains queue behind a pending lock, so the wait is short. It is longer than deadlock_timeout (1 s), after which
# Postgres cancels an autovacuum that blocks the lock.
_SET_LOCK_TIMEOUT = text("SET LOCAL lock_timeout = '2s'")
_CLAIM_ROTATION = text(
    "UPDATE penstock.rotation SET rotated_at = pg_catalog.clock_timestamp()"
    " WHERE rotated_at <= pg_catalog.clock_timestamp() - pg_catalog.make_interval(days => :days)"
)
# The tables are locked in the order of the drain's statements, to avoid a deadlock.
_LOCK = "LOCK TABLE penstock.ledger, penstock.ledger_past IN ACCESS EXCLUSIVE MODE"
_SUFFIXES = ("_pkey", "_settled_at", "_unsettled")


def _swap_names(what: str, suffix: str = "") -> tuple[str, ...]:
    """Return the statements that swap the names of the two tables, or of an index of each."""
    steps = (("ledger", "ledger_next"), ("ledger_past", "ledger"), ("ledger_next", "ledger_past"))
    return tuple(f"ALTER {what} penstock.{old}{suffix} RENAME TO {new}{suffix}" for old, new in steps)


_SWAP = (
    "TRUNCATE penstock.ledger_past",
    *_swap_names("TABLE"),
    *(rename for suffix in _SUFFIXES for rename in _swap_names("INDEX", suffix)),
)
# A tombstone that a deletion is renewing is locked, and therefore skipped; the next run checks it again.
_DELETE_TOMBSTONES = text(
    "DELETE FROM penstock.tombstone WHERE ctid = ANY (ARRAY("
    " SELECT ctid FROM penstock.tombstone"
    " WHERE buried_at < pg_catalog.now() - pg_catalog.make_interval(days => :days)"
    " ORDER BY buried_at LIMIT :batch FOR UPDATE SKIP LOCKED))"
)


@dataclass(frozen=True, slots=True)
class Pruned:
    """The result of a run.

    Attributes:
        rotation: `rotated`; `not-due`; or `postponed`, if the ledger was in use all the time. The next run tries
            again; until then the ledger keeps more entries than it needs.
        tombstones: how many tombstones were deleted.
        seconds: how long the run took.
    """

    rotation: str
    tombstones: int
    seconds: float


def prune(database: Watchdog, seconds: float) -> Pruned:
    """Delete what is older than any message.

    It is safe to run at any time, repeatedly and concurrently, and to kill at any point: the rotation is one short
    transaction, and so is each batch of tombstones. Only the database's clock is used.

    Args:
        database: the database, with a role that owns the framework's tables.
        seconds: how long it may take. The rotation is tried during the first half, and no batch of tombstones
            begins in the last quarter; the next run deletes the rest.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the database refused a statement, cannot be reached, or was cut off. The
            current transaction is rolled back.
    """
    started = time.monotonic()
    halfway, last_call, end = (started + seconds * part for part in (0.5, 0.75, 1))
    rotation = _rotate(database, halfway, end)
    tombstones = _delete_tombstones(database, last_call, end)
    return Pruned(rotation, tombstones, round(time.monotonic() - started, 3))


def _rotate(database: Watchdog, until: float, end: float) -> str:
    while _due(database, end):
        try:
            if _swap(database, end):
                return ROTATED
        except DBAPIError as error:
            if not isinstance(error.orig, _IN_USE):
                raise
            pause = random.uniform(_MIN_PAUSE_SECONDS, _MAX_PAUSE_SECONDS)  # noqa: S311 (no secret)
            if time.monotonic() + pause > until:
                return POSTPONED
            time.sleep(pause)
    return NOT_DUE


def _due(database: Watchdog, end: float) -> bool:
    with database.transaction(end - time.monotonic()) as connection:
        connection.execute(_CLAMP_TO_NOW)
        return bool(connection.execute(_DUE, {"days": KEPT_DAYS}).scalar_one())


def _swap(database: Watchdog, end: float) -> bool:
    """Rotate; return False if another run has rotated in the meantime.

    The row of the rotation is locked first, so that only one of several runs waits for the tables.
    """
    with database.transaction(end - time.monotonic()) as connection:
        connection.execute(_SET_LOCK_TIMEOUT)
        if not connection.execute(_CLAIM_ROTATION, {"days": KEPT_DAYS}).rowcount:
            return False
        for statement in (_LOCK, *_SWAP):
            connection.exec_driver_sql(statement)
    return True


def _delete_tombstones(database: Watchdog, until: float, end: float) -> int:
    """Delete old tombstones, batch by batch; return how many."""
    count, deleted = 0, _BATCH
    while deleted == _BATCH and time.monotonic() < until:
        with database.transaction(end - time.monotonic()) as connection:
            deleted = connection.execute(_DELETE_TOMBSTONES, {"days": KEPT_DAYS, "batch": _BATCH}).rowcount
        count += deleted
    return count
