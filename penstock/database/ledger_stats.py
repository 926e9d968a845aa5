"""Statistics of a service from its ledger: what the drain settled in the last minute, and what is not applied."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Connection,
    DateTime,
    Float,
    Interval,
    and_,
    bindparam,
    case,
    extract,
    func,
    select,
    text,
    union_all,
)
from sqlalchemy.dialects.postgresql import array

from penstock.database.holds import Hold, list_holds
from penstock.database.ledger import APPLIED, DEAD, EXPIRED, HELD, PENDING, STALE, ledger, past
from penstock.database.ledger_entries import unsettled
from penstock.database.sessions import count_sessions

WINDOW_SECONDS: Final = 60
"""The period of the recent statistics."""

MAX_CAUSES: Final = 20


@dataclass(frozen=True, slots=True)
class DeadCause:
    """A cause of death, and the number of intents. It holds no value of an intent.

    Attributes:
        kind: their kind.
        reason: the stable name of the cause.
        sqlstate: the SQLSTATE, if Postgres reported the fault.
        constraint: the violated constraint, if there is one.
        count: the number of intents.
    """

    kind: str
    reason: str | None
    sqlstate: str | None
    constraint: str | None
    count: int


@dataclass(frozen=True, slots=True)
class WaitingCause:
    """What intents wait for that were tried and returned to the queue. It holds no value of an intent.

    Attributes:
        kind: their kind.
        fault: the class of the fault.
        reason: the stable name of the cause.
        sqlstate: the SQLSTATE, if Postgres reported the fault.
        table: the table, if the cause names one.
        column: the column, if the cause names one.
        count: the number of intents.
        since: when the first of them was created.
    """

    kind: str
    fault: str | None
    reason: str | None
    sqlstate: str | None
    table: str | None
    column: str | None
    count: int
    since: datetime


@dataclass(frozen=True, slots=True)
class LedgerStats:
    """The statistics at one moment.

    Attributes:
        applied: intents that were applied in the last minute.
        stale: intents that were stale in the last minute.
        dead: intents that died in the last minute.
        p50_seconds: the median time from emit to commit of the intents that were applied or stale in the last
            minute, by the clocks of the emitters and of the database; None if there were none.
        p99_seconds: the 99th percentile of the same times.
        slowest_seconds: the maximum of the same times.
        pending: intents that were tried and returned to the queue.
        waiting: what these wait for, the most frequent first, `MAX_CAUSES` at most.
        dead_in_all: intents that died within the retention and whose dead letters were not purged.
        first_dead_at: when the first of these died.
        causes: the causes of death of these, the most frequent first, `MAX_CAUSES` at most.
        connections: the connections that the service holds.
        resting: those of `pending` that were returned within the last 12 hours, and so may rest until their next
            try: SQS counts them as in flight meanwhile. 12 hours is the longest visibility timeout of SQS.
        expired: intents that had expired when they were taken up, in the last minute.
        holds: the kinds that are held.
    """

    applied: int
    stale: int
    dead: int
    p50_seconds: float | None
    p99_seconds: float | None
    slowest_seconds: float | None
    pending: int
    waiting: Sequence[WaitingCause]
    dead_in_all: int
    first_dead_at: datetime | None
    causes: Sequence[DeadCause]
    connections: int
    resting: int = 0
    expired: int = 0
    holds: Sequence[Hold] = ()

    @property
    def held(self) -> int:
        """The number of intents that wait for the release of their kinds."""
        return sum(one.count for one in self.holds)

    @property
    def settled(self) -> int:
        """The number of intents that were settled in the last minute."""
        return self.applied + self.stale + self.dead + self.expired

    @property
    def per_second(self) -> float:
        """The number of intents that were settled per second, in the last minute."""
        return self.settled / WINDOW_SECONDS


def read_ledger_stats(connection: Connection, service: str, retention: timedelta) -> LedgerStats:
    """Read the statistics of a service.

    Entries of the last minute are found by the ledger's block range index, and dead ones by a partial index. So
    the time does not depend on the size of the ledger.

    Args:
        connection: a connection to the service's database, in a new transaction: the last minute ends when the
            transaction begins.
        service: the service's name, which is the first part of its connections' `application_name`.
        retention: how long the dead-letter queue keeps a message.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the database refused the statement, or cannot be reached.
    """
    connection.execute(_READ_ONLY)
    minute = connection.execute(_MINUTE).one()
    dead = connection.execute(_TOTALS, {"retention": retention}).one()
    causes = connection.execute(_CAUSES, {"retention": retention}).mappings()
    p50, p99 = minute.percentiles or (None, None)
    return LedgerStats(
        applied=minute.applied,
        stale=minute.stale,
        dead=minute.dead,
        expired=minute.expired,
        p50_seconds=p50,
        p99_seconds=p99,
        slowest_seconds=minute.slowest,
        pending=dead.pending,
        waiting=read_waiting(connection, retention),
        dead_in_all=dead.dead,
        first_dead_at=dead.first,
        causes=[DeadCause(**row) for row in causes],
        connections=count_sessions(connection, service, own=False),
        holds=tuple(list_holds(connection)),
        resting=dead.resting,
    )


def read_waiting(connection: Connection, retention: timedelta) -> list[WaitingCause]:
    """Read what intents wait for that were tried and returned to the queue, the most frequent first.

    Args:
        connection: a connection to the service's database.
        retention: how long ago they were tried at most.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the database refused the statement, or cannot be reached.
    """
    rows = connection.execute(_WAITING, {"retention": retention}).mappings()
    return [WaitingCause(**row) for row in rows]


_READ_ONLY = text("SET TRANSACTION READ ONLY")


def _count() -> Any:
    return func.pg_catalog.count(text("*"), type_=BigInteger())


def _minute() -> Any:
    """Aggregate what was settled in the last minute, in one row."""
    # The interval is a literal: a generic plan, which serves any interval, would read the whole ledger.
    since = func.pg_catalog.now(type_=DateTime(timezone=True)) - text(f"interval '{WINDOW_SECONDS} seconds'")
    seconds = [extract("epoch", t.c.settled_at - t.c.stated_at).cast(Float) for t in (ledger, past)]
    each = [
        select(t.c.outcome, took.label("seconds")).where(t.c.settled_at > since)
        for t, took in zip((ledger, past), seconds, strict=True)
    ]
    recent = union_all(*each).subquery().c
    applied = recent.outcome.in_([APPLIED, STALE])
    # An emitter's clock may be ahead of the database's.
    took = case((applied, func.greatest(recent.seconds, 0.0)))
    counts = [
        _count().filter(recent.outcome == outcome).label(outcome) for outcome in (APPLIED, STALE, DEAD, EXPIRED)
    ]
    percentiles = func.pg_catalog.percentile_cont(array([0.5, 0.99])).within_group(took).label("percentiles")
    return select(*counts, percentiles, func.pg_catalog.max(took, type_=Float()).label("slowest"))


_MINUTE = _minute()
_entry = unsettled(func.pg_catalog.now(type_=DateTime(timezone=True)) - bindparam("retention", type_=Interval)).c
_longest_rest_ago = func.pg_catalog.now(type_=DateTime(timezone=True)) - text("interval '12 hours'")
_unpurged = and_(_entry.outcome == DEAD, _entry.fault["purged"].as_string().is_(None))
_not_held = _entry.fault["reason"].as_string().is_distinct_from(HELD)
_TOTALS = select(
    _count().filter(_entry.outcome == PENDING).label("pending"),
    _count().filter(_entry.outcome == PENDING, _entry.settled_at > _longest_rest_ago, _not_held).label("resting"),
    _count().filter(_unpurged).label("dead"),
    func.pg_catalog.min(_entry.settled_at, type_=DateTime(timezone=True)).filter(_unpurged).label("first"),
)
_cause = [_entry.fault[name].as_string().label(name) for name in ("reason", "sqlstate", "constraint")]
_CAUSES = (
    select(_entry.kind, *_cause, _count().label("count"))
    .where(_unpurged)
    .group_by(_entry.kind, *_cause)
    .order_by(_count().desc(), _entry.kind)
    .limit(MAX_CAUSES)
)
_awaited = [
    _entry.fault[name].as_string().label(name) for name in ("fault", "reason", "sqlstate", "table", "column")
]
_WAITING = (
    select(
        _entry.kind,
        *_awaited,
        _count().label("count"),
        func.pg_catalog.min(_entry.stated_at, type_=DateTime(timezone=True)).label("since"),
    )
    .where(_entry.outcome == PENDING)
    .group_by(_entry.kind, *_awaited)
    .order_by(_count().desc(), _entry.kind)
    .limit(MAX_CAUSES)
)
