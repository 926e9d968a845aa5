"""Figures of a service, as its database knows them: what the drain settled just now, and what did not land."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    Connection,
    Float,
    Interval,
    and_,
    bindparam,
    case,
    column,
    extract,
    func,
    select,
    table,
    text,
    union_all,
)
from sqlalchemy.dialects.postgresql import array

from penstock.database.entries import unsettled
from penstock.database.ledger import APPLIED, DEAD, PENDING, STALE, ledger, past

WINDOW_SECONDS: Final = 60
"""What is called just now."""

MOST_CAUSES: Final = 20


@dataclass(frozen=True, slots=True)
class DeadCause:
    """What intents died of, and how many did. There is no value of an intent in it.

    Attributes:
        kind: their kind.
        reason: the stable word for the cause.
        sqlstate: Postgres's code, where it found the fault.
        constraint: the violated constraint.
        count: how many.
    """

    kind: str
    reason: str | None
    sqlstate: str | None
    constraint: str | None
    count: int


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of one moment.

    Attributes:
        applied: intents that were applied in the last minute.
        stale: intents that were stale in the last minute.
        dead: intents that died in the last minute.
        p50_seconds: of those applied or stale in the last minute, the median time from emit to commit, by the
            clocks of whoever emitted them and of the database; None if there were none.
        p99_seconds: the same for the slowest in a hundred.
        slowest_seconds: the same for the slowest.
        pending: intents that were tried and handed back to be tried again.
        dead_in_all: intents that died within the retention, and whose dead letters nobody purged.
        first_dead_at: when the first of these died.
        causes: what they died of, the most frequent first, `MOST_CAUSES` at most.
        connections: connections that the service holds.
    """

    applied: int
    stale: int
    dead: int
    p50_seconds: float | None
    p99_seconds: float | None
    slowest_seconds: float | None
    pending: int
    dead_in_all: int
    first_dead_at: datetime | None
    causes: Sequence[DeadCause]
    connections: int

    @property
    def settled(self) -> int:
        """How many intents were settled in the last minute."""
        return self.applied + self.stale + self.dead

    @property
    def per_second(self) -> float:
        """How many intents were settled per second, in the last minute."""
        return self.settled / WINDOW_SECONDS


def read_figures(connection: Connection, service: str, retention: timedelta) -> Figures:
    """Read the figures of a service.

    The last minute is found by the ledger's block range index, the dead by an index of their own: neither takes
    longer as the ledger grows.

    Args:
        connection: to the service's database, in a transaction that has just begun: the last minute is the one
            before its beginning.
        service: the service's name, which its functions' connections begin theirs with.
        retention: how long the dead-letter queue keeps anything.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the database refused, or is away.
    """
    connection.execute(_READ_ONLY)
    minute = connection.execute(_MINUTE).one()
    dead = connection.execute(_SUMS, {"retention": retention}).one()
    causes = connection.execute(_CAUSES, {"retention": retention}).mappings()
    p50, p99 = minute.percentiles or (None, None)
    return Figures(
        applied=minute.applied,
        stale=minute.stale,
        dead=minute.dead,
        p50_seconds=p50,
        p99_seconds=p99,
        slowest_seconds=minute.slowest,
        pending=dead.pending,
        dead_in_all=dead.dead,
        first_dead_at=dead.first,
        causes=[DeadCause(**row) for row in causes],
        connections=connection.execute(_CONNECTIONS, {"prefix": f"{service}:"}).scalar_one(),
    )


_READ_ONLY = text("SET TRANSACTION READ ONLY")


def _minute() -> Any:
    """Select what was settled in the last minute, in one row."""
    # The number is in the statement itself: a plan that is to serve for any number would read the whole ledger.
    since = func.now() - text(f"interval '{WINDOW_SECONDS} seconds'")
    seconds = [extract("epoch", t.c.settled_at - t.c.stated_at).cast(Float) for t in (ledger, past)]
    each = [
        select(t.c.outcome, took.label("seconds")).where(t.c.settled_at > since)
        for t, took in zip((ledger, past), seconds, strict=True)
    ]
    recent = union_all(*each).subquery().c
    landed = recent.outcome.in_([APPLIED, STALE])
    # A clock that is ahead is no time travel.
    took = case((landed, func.greatest(recent.seconds, 0.0)))
    counts = [func.count().filter(recent.outcome == outcome).label(outcome) for outcome in (APPLIED, STALE, DEAD)]
    percentiles = func.percentile_cont(array([0.5, 0.99])).within_group(took).label("percentiles")
    return select(*counts, percentiles, func.max(took).label("slowest"))


_MINUTE = _minute()
_entry = unsettled(func.now() - bindparam("retention", type_=Interval)).c
_buried = and_(_entry.outcome == DEAD, _entry.fault["purged"].as_string().is_(None))
_SUMS = select(
    func.count().filter(_entry.outcome == PENDING).label("pending"),
    func.count().filter(_buried).label("dead"),
    func.min(_entry.settled_at).filter(_buried).label("first"),
)
_named = [_entry.fault[name].as_string().label(name) for name in ("reason", "sqlstate", "constraint")]
_CAUSES = (
    select(_entry.kind, *_named, func.count().label("count"))
    .where(_buried)
    .group_by(_entry.kind, *_named)
    .order_by(func.count().desc(), _entry.kind)
    .limit(MOST_CAUSES)
)
_activity = table("pg_stat_activity", column("application_name"), column("datname"), column("pid")).c
_CONNECTIONS = select(func.count()).where(
    func.starts_with(_activity.application_name, bindparam("prefix")),
    _activity.datname == func.current_database(),
    _activity.pid != func.pg_backend_pid(),
)
