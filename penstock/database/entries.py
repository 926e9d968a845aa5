"""The ledger read across its two generations, for those who watch it.

An intent that was dead and landed later, after a replay, may be in both: the newer entry is the one that counts.
Times are compared with `now()`, which the indexes on `settled_at` are of use for; `clock_timestamp()` would have
every entry read.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Connection,
    Select,
    Subquery,
    Uuid,
    bindparam,
    exists,
    func,
    literal,
    literal_column,
    not_,
    or_,
    select,
    union_all,
)

from penstock.database.ledger import DEAD, PENDING, ledger, past

CURRENT: Final = "current"
PAST: Final = "past"

_PAGE = 5000


@dataclass(frozen=True, slots=True)
class Entry:
    """What the ledger knows of an intent.

    Attributes:
        id: the intent's id.
        kind: its kind.
        outcome: `applied`, `stale`, `dead`, or `pending`: tried, and handed back.
        stated_at: when it was stated, by the clock of whoever emitted it.
        settled_at: when this outcome was entered, by the database's clock.
        attempts: how often it has failed by a fault of its own.
        fault: of what is dead or pending, the fault by names and codes; no value of the intent.
        reused_at: when something else came under the same id, which had no effect.
        generation: `current`, or `past`, which a rotation empties.
    """

    id: UUID
    kind: str
    outcome: Literal["applied", "stale", "dead", "pending"]
    stated_at: datetime
    settled_at: datetime
    attempts: int
    fault: Mapping[str, Any] | None
    reused_at: datetime | None
    generation: str


_COLUMNS = ("id", "kind", "outcome", "stated_at", "settled_at", "attempts", "fault", "reused_at")
_ids = bindparam("ids", type_=ARRAY(Uuid))


def find_entry(connection: Connection, id_: UUID) -> Entry | None:
    """Return what is known of an intent; None if nothing is.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the database refused, or is away.
    """
    # By age: 0 for the current generation.
    each = [
        select(*(t.c[name] for name in _COLUMNS), literal(age).label("age")).where(t.c.id == id_)
        for age, t in enumerate((ledger, past))
    ]
    row = connection.execute(union_all(*each).order_by("age").limit(1)).mappings().one_or_none()
    if row is None:
        return None
    return Entry(**{name: row[name] for name in _COLUMNS}, generation=PAST if row["age"] else CURRENT)


@dataclass(frozen=True, slots=True)
class LedgerState:
    """How an intent stands, in brief.

    Attributes:
        id: its id.
        outcome: `applied`, `stale`, `dead` or `pending`.
        settled_at: when that was entered.
        purged: the operation that took its dead letter away for good, if one did.
    """

    id: UUID
    outcome: str
    settled_at: datetime
    purged: str | None


def standings(connection: Connection, ids: Collection[UUID]) -> dict[UUID, LedgerState]:
    """Return how each of these intents stands, of those that the ledger knows.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the database refused, or is away.
    """
    known: dict[UUID, LedgerState] = {}
    for generation in (past, ledger):
        rows = connection.execute(
            _standing(generation.c).where(generation.c.id == func.any(_ids)), {"ids": list(ids)}
        )
        known |= {row.id: LedgerState(*row) for row in rows}
    return known


def count_outcomes(connection: Connection, since: datetime) -> dict[str, int]:
    """Count the intents by the outcome that they have had since then.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the database refused, or is away.
    """
    each = [select(t.c.outcome).where(t.c.settled_at >= since, *conditions) for t, conditions in _counting()]
    outcome = union_all(*each).subquery().c.outcome
    rows = connection.execute(select(outcome, func.count()).group_by(outcome))
    return {found: count for found, count in rows}  # noqa: C416 (rows are no pairs to mypy)


def list_unsettled(connection: Connection, since: datetime) -> Iterator[LedgerState]:
    """Go through the intents that have been dead or pending since then, some thousands at a time.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the database refused, or is away.
    """
    for row in connection.execution_options(yield_per=_PAGE).execute(_standing(unsettled(since).c)):
        yield LedgerState(*row)


def unsettled(since: datetime | ColumnElement[datetime]) -> Subquery:
    """Select what is dead or pending since then: `id`, `kind`, `outcome`, `stated_at`, `settled_at`, `fault`."""
    names = ("id", "kind", "outcome", "stated_at", "settled_at", "fault")
    each = [
        select(*(t.c[name] for name in names)).where(_has_not_landed(t), t.c.settled_at >= since, *conditions)
        for t, conditions in _counting()
    ]
    return union_all(*each).subquery()


def _standing(entry: Any) -> Select[Any]:
    return select(entry.id, entry.outcome, entry.settled_at, entry.fault["purged"].as_string())


def _counting() -> Iterator[tuple[Any, list[ColumnElement[bool]]]]:
    """Yield each generation with what makes one of its entries count: that no newer one is known."""
    yield ledger, []
    # What has landed is entered once: only the others need looking up.
    yield past, [or_(not_(_has_not_landed(past)), not_(exists().where(ledger.c.id == past.c.id)))]


def _has_not_landed(generation: Any) -> ColumnElement[bool]:
    # Written as the index on the unsettled has it, values and all, or it would not be used.
    condition: ColumnElement[bool] = generation.c.outcome.in_(
        [literal_column(f"'{DEAD}'"), literal_column(f"'{PENDING}'")]
    )
    return condition
