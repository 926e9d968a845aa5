"""Queries on the ledger's entries, over both generations.

An intent that was dead and was applied later, after a replay, may be in both generations: its newer entry counts.
Times are compared with `now()` because Postgres can use the indexes on `settled_at` for it. `clock_timestamp()` is
volatile, so Postgres would read every entry.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Connection,
    Select,
    Subquery,
    Uuid,
    bindparam,
    case,
    exists,
    func,
    literal,
    literal_column,
    not_,
    or_,
    select,
    text,
    union_all,
)

from penstock.database.holds import held
from penstock.database.ledger import DEAD, PENDING, ledger, past

CURRENT: Final = "current"
PAST: Final = "past"

_PAGE_SIZE = 5000


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """The ledger's entry of an intent.

    Attributes:
        id: the intent's id.
        kind: its kind.
        outcome: `applied`, `stale`, `dead`, `expired`, or `pending`: returned to the queue, or held.
        created_at: when the intent was created, by the emitter's clock (column `stated_at`).
        settled_at: when this outcome was written, by the database's clock.
        attempts: how often the intent has failed by its own fault.
        fault: the fault of a dead or pending intent, as names and codes; it holds no value of the intent.
        reused_at: when another intent arrived with the same id; it had no effect.
        generation: `current`, or `past`, which the next rotation empties.
    """

    id: UUID
    kind: str
    outcome: Literal["applied", "stale", "dead", "expired", "pending"]
    created_at: datetime
    settled_at: datetime
    attempts: int
    fault: Mapping[str, Any] | None
    reused_at: datetime | None
    generation: str

    def as_row(self) -> dict[str, Any]:
        """Return the entry by the names of the ledger's columns, and `generation`."""
        return {_COLUMN_OF.get(name, name): value for name, value in asdict(self).items()}


_COLUMN_OF = {"created_at": "stated_at"}
_COLUMNS = ("id", "kind", "outcome", "stated_at", "settled_at", "attempts", "fault", "reused_at")
_ids = bindparam("ids", type_=ARRAY(Uuid))
_PARKED = select(held.c.id, held.c.parked_at).where(held.c.id == func.any(_ids)).order_by(held.c.parked_at.desc())


def find_entry(connection: Connection, id_: UUID) -> LedgerEntry | None:
    """Return the newest entry of an intent; None if the ledger has none.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the database refused the statement, or cannot be reached.
    """
    # The age is 0 for the current generation.
    each = [
        select(*(t.c[name] for name in _COLUMNS), literal(age).label("age")).where(t.c.id == id_)
        for age, t in enumerate((ledger, past))
    ]
    row = connection.execute(union_all(*each).order_by("age").limit(1)).mappings().one_or_none()
    if row is None:
        return None
    known = {name: row[name] for name in _COLUMNS}
    return LedgerEntry(created_at=known.pop("stated_at"), **known, generation=PAST if row["age"] else CURRENT)


@dataclass(frozen=True, slots=True)
class LedgerState:
    """The state of an intent in the ledger.

    Attributes:
        id: its id.
        outcome: `applied`, `stale`, `dead`, `expired` or `pending`.
        settled_at: when that outcome was written.
        purged: the id of the operation that purged its dead letter, if one did.
        held: whether it waits for the release of its kind.
    """

    id: UUID
    outcome: str
    settled_at: datetime
    purged: str | None
    held: bool = False


def find_states(connection: Connection, ids: Collection[UUID]) -> dict[UUID, LedgerState]:
    """Return the states of intents by id, without those that the ledger does not know.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the database refused the statement, or cannot be reached.
    """
    known: dict[UUID, LedgerState] = {}
    for generation in (past, ledger):
        rows = connection.execute(
            _select_state(generation.c).where(generation.c.id == func.any(_ids)), {"ids": list(ids)}
        )
        known |= {row.id: LedgerState(*row) for row in rows}
    # The ledger forgets a pending intent after a while; one that is held is still there.
    for row in connection.execute(_PARKED, {"ids": [id_ for id_ in ids if id_ not in known]}):
        known[row.id] = LedgerState(row.id, PENDING, row.parked_at, None, held=True)
    return known


def count_outcomes(connection: Connection, since: datetime) -> dict[str, int]:
    """Count the intents that were settled since a time, by outcome.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the database refused the statement, or cannot be reached.
    """
    each = [select(t.c.outcome).where(t.c.settled_at >= since, *newest) for t, newest in _generations()]
    outcome = union_all(*each).subquery().c.outcome
    rows = connection.execute(
        select(outcome, func.pg_catalog.count(text("*"), type_=BigInteger())).group_by(outcome)
    )
    return {found: count for found, count in rows}  # noqa: C416 (mypy does not accept a row as a pair)


def list_unsettled(connection: Connection, since: datetime) -> Iterator[LedgerState]:
    """Yield the states of the intents that became dead or pending since a time. Rows are fetched page by page.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the database refused the statement, or cannot be reached.
    """
    for row in connection.execution_options(yield_per=_PAGE_SIZE).execute(_select_state(unsettled(since).c)):
        yield LedgerState(*row)


def page_unsettled(connection: Connection, since: datetime, *, after: UUID | None, size: int) -> list[LedgerState]:
    """Return a page of what `list_unsettled` yields, in the order of the ids.

    Args:
        connection: in a transaction.
        since: the time.
        after: the last id of the page before; None for the first page.
        size: how many states the page has, if that many are left.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the database refused the statement, or cannot be reached.
    """
    entry = unsettled(since).c
    page = _select_state(entry).order_by(entry.id).limit(size)
    rows = connection.execute(page if after is None else page.where(entry.id > after))
    return [LedgerState(*row) for row in rows]


def unsettled(since: datetime | ColumnElement[datetime]) -> Subquery:
    """Select the entries that became dead or pending since a time.

    Returns:
        The columns `id`, `kind`, `outcome`, `stated_at`, `settled_at` and `fault`.
    """
    names = ("id", "kind", "outcome", "stated_at", "settled_at", "fault")
    each = [
        select(*(t.c[name] for name in names)).where(_is_unsettled(t), t.c.settled_at >= since, *newest)
        for t, newest in _generations()
    ]
    return union_all(*each).subquery()


def _select_state(entry: Any) -> Select[Any]:
    is_held = case((entry.outcome == PENDING, exists().where(held.c.id == entry.id)), else_=False)
    return select(entry.id, entry.outcome, entry.settled_at, entry.fault["purged"].as_string(), is_held)


def _generations() -> Iterator[tuple[Any, list[ColumnElement[bool]]]]:
    """Yield each generation with the conditions that an entry is the newest one of its intent."""
    yield ledger, []
    # Only an unsettled intent can have a newer entry, so only those entries need the lookup.
    yield past, [or_(not_(_is_unsettled(past)), not_(exists().where(ledger.c.id == past.c.id)))]


def _is_unsettled(generation: Any) -> ColumnElement[bool]:
    # Postgres uses the partial index on unsettled entries only if the condition has the same literals.
    condition: ColumnElement[bool] = generation.c.outcome.in_(
        [literal_column(f"'{DEAD}'"), literal_column(f"'{PENDING}'")]
    )
    return condition
