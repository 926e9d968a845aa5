"""Retention: when the ledger and the tombstones forget what no message can ask for any more.

The ledger has two generations. Claims are entered in the current one and looked up in both. A rotation empties
the past one and has the two swap their names: an entry is known for 30 days at least, about 60 at most, and to
forget it costs nothing, however many there are. Only tombstones are deleted row by row, in small batches.
"""

import random
import time
from dataclasses import dataclass

from psycopg.errors import DeadlockDetected, LockNotAvailable, SerializationFailure
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from penstock.database.watchdog import Watchdog

KEPT_DAYS = 30
"""14 days on the queue and 14 among the dead letters, the most that SQS keeps anything; and 2 to spare."""

ROTATED = "rotated"
NOT_DUE = "not-due"
POSTPONED = "postponed"

_BATCH = 5000
_SHORTEST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 1.0, 3.0
_IN_USE = (LockNotAvailable, DeadlockDetected, SerializationFailure)

# A clock that was ahead, and was put right, must not put off the next rotation by as much.
_NEVER_IN_THE_FUTURE = text(
    "UPDATE penstock.rotation SET rotated_at = clock_timestamp() WHERE rotated_at > clock_timestamp()"
)
_DUE = text("SELECT rotated_at <= clock_timestamp() - make_interval(days => :days) FROM penstock.rotation")
# New drains queue behind a lock that is waited for, hence not for long; but longer than a deadlock_timeout of 1 s,
# after which Postgres has an autovacuum make room that is in the way.
_WAIT_LITTLE = text("SET LOCAL lock_timeout = '2s'")
_TURN = text(
    "UPDATE penstock.rotation SET rotated_at = clock_timestamp()"
    " WHERE rotated_at <= clock_timestamp() - make_interval(days => :days)"
)
# In the order in which the drain's statements come to them, or the two would wait for each other.
_LOCK = "LOCK TABLE penstock.ledger, penstock.ledger_past IN ACCESS EXCLUSIVE MODE"
_SUFFIXES = ("_pkey", "_settled_at", "_unsettled")


def _renames(what: str, suffix: str = "") -> tuple[str, ...]:
    """Have two tables, or an index of each, swap their names."""
    steps = (("ledger", "ledger_next"), ("ledger_past", "ledger"), ("ledger_next", "ledger_past"))
    return tuple(f"ALTER {what} penstock.{old}{suffix} RENAME TO {new}{suffix}" for old, new in steps)


_SWAP = (
    "TRUNCATE penstock.ledger_past",
    *_renames("TABLE"),
    *(rename for suffix in _SUFFIXES for rename in _renames("INDEX", suffix)),
)
# A tombstone that a deletion is renewing is skipped, or found renewed once it is locked; the next run will see.
_UNBURY = text(
    "DELETE FROM penstock.tombstone WHERE ctid = ANY (ARRAY("
    " SELECT ctid FROM penstock.tombstone WHERE buried_at < now() - make_interval(days => :days)"
    " ORDER BY buried_at LIMIT :batch FOR UPDATE SKIP LOCKED))"
)


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was done.

    Attributes:
        rotation: `rotated`; `not-due`; or `postponed`, where the ledger was in use all the time. The next run
            tries again; meanwhile more is known than has to be.
        tombstones: how many were deleted.
        seconds: how long it took.
    """

    rotation: str
    tombstones: int
    seconds: float


def prune(database: Watchdog, seconds: float) -> Pruned:
    """Forget what is older than any message.

    May be run at any time, as often as one likes, twice at once, and be killed anywhere: the rotation is one short
    transaction, and so is each batch of tombstones. The database's clock alone counts.

    Args:
        database: the database, of a role that owns the framework's tables.
        seconds: how long it may take. The rotation is tried for half of them, and tombstones that are left then
            wait for the next run.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the database refused, is away, or was cut off; what was begun is undone.
    """
    started = time.monotonic()
    halfway, last_call, end = (started + seconds * part for part in (0.5, 0.75, 1))
    rotation = _rotate(database, halfway, end)
    tombstones = _unbury(database, last_call, end)
    return Pruned(rotation, tombstones, round(time.monotonic() - started, 3))


def _rotate(database: Watchdog, until: float, end: float) -> str:
    while _due(database, end):
        try:
            if _swap(database, end):
                return ROTATED
        except DBAPIError as error:
            if not isinstance(error.orig, _IN_USE):
                raise
            pause = random.uniform(_SHORTEST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS)  # noqa: S311 (no secret)
            if time.monotonic() + pause > until:
                return POSTPONED
            time.sleep(pause)
    return NOT_DUE


def _due(database: Watchdog, end: float) -> bool:
    with database.transaction(end - time.monotonic()) as connection:
        connection.execute(_NEVER_IN_THE_FUTURE)
        return bool(connection.execute(_DUE, {"days": KEPT_DAYS}).scalar_one())


def _swap(database: Watchdog, end: float) -> bool:
    """Rotate; return False if somebody else has done so in the meantime.

    The row of the rotation is taken first, so that only one of several waits for the tables.
    """
    with database.transaction(end - time.monotonic()) as connection:
        connection.execute(_WAIT_LITTLE)
        if not connection.execute(_TURN, {"days": KEPT_DAYS}).rowcount:
            return False
        for statement in (_LOCK, *_SWAP):
            connection.exec_driver_sql(statement)
    return True


def _unbury(database: Watchdog, until: float, end: float) -> int:
    """Delete old tombstones, batch by batch; return how many."""
    count, deleted = 0, _BATCH
    while deleted == _BATCH and time.monotonic() < until:
        with database.transaction(end - time.monotonic()) as connection:
            deleted = connection.execute(_UNBURY, {"days": KEPT_DAYS, "batch": _BATCH}).rowcount
        count += deleted
    return count
