"""The ledger's claims: each id is claimed once, in the transaction that also writes."""

from typing import Any, NamedTuple

from sqlalchemy import (
    CTE,
    ColumnElement,
    CompoundSelect,
    Select,
    Table,
    Update,
    and_,
    case,
    exists,
    func,
    literal,
    literal_column,
    not_,
    null,
    or_,
    select,
    text,
    union_all,
)
from sqlalchemy.dialects.postgresql import Insert, insert

from penstock.consumer.mapping.columns import DIGEST, ID, TIME
from penstock.consumer.rows.digest import SAME_SHAPE
from penstock.consumer.rows.recordset import Rows
from penstock.consumer.rows.wire import UUIDS, items
from penstock.database.ledger import APPLIED, DEAD, PENDING, STALE, ledger, past

_ENTRY = ["id", "kind", "stated_at", "digest", "outcome"]

ENTERED_HERE = literal_column("penstock.ledger.xmin") == literal_column("pg_catalog.pg_current_xact_id()::xid")
"""The condition that an entry was made by this transaction, outside any savepoint."""

_NOTE_SKIPPED = text("pg_catalog.set_config('penstock.skipped', 'on', true) = 'on'")
"""A condition that is true, and notes for the rest of the transaction that it was asked for."""
_NONE_SKIPPED = text("pg_catalog.current_setting('penstock.skipped', true) IS DISTINCT FROM 'on'")


def unsettled(generation: Table) -> ColumnElement[bool]:
    """Return the condition that an intent has not taken effect, and may be claimed again."""
    return or_(generation.c.outcome == DEAD, generation.c.outcome == PENDING)


def settled_in_past(id_: ColumnElement[Any]) -> ColumnElement[bool]:
    """Return the condition that an intent took effect in the previous generation of the ledger."""
    return exists().where(past.c.id == id_, not_(unsettled(past)))


def outcome_by_id(rows: CTE, written: Select[Any], accepted: Select[Any] | None = None) -> ColumnElement[Any]:
    """Return the outcome of each intent, for the statement that claims it.

    Args:
        rows: the intents.
        written: the ids of the intents whose rows were written; null for a row that belongs to no intent. If there
            is such a row, an intent that is not among them has no outcome.
        accepted: the ids of other intents that are not stale.
    """
    found = rows.c[ID].in_(written)
    # Postgres evaluates what follows only for intents that were not written.
    more = [] if accepted is None else [(rows.c[ID].in_(accepted), APPLIED)]
    return case((found, APPLIED), (found.is_(None), null()), *more, else_=STALE)


def first_claim(rows: Rows, outcome: ColumnElement[Any] | None) -> Insert:
    """Build the statement that claims all ids of a set; it raises a data fault if the ledger has any of them.

    Args:
        rows: the set.
        outcome: the outcome of each intent, or null if none can be entered; None if all are applied.
    """
    outcome = literal(APPLIED) if outcome is None else outcome
    # The ledger refuses an entry without an outcome.
    known = exists().where(past.c.id == rows.cte.c[ID])
    claiming: Insert = _claiming(rows.kind, rows.cte, case((known, null()), else_=outcome))
    return claiming


class Fresh(NamedTuple):
    """The intents of a set that are claimed, if those that took effect before are left out.

    Attributes:
        rows: the intents.
        known: the entries that both generations of the ledger have for the ids of the set.
        skipped: the ids that are left out.
    """

    rows: CTE
    known: CTE
    skipped: CTE


def fresh_rows(rows: Rows) -> Fresh:
    """Leave out the intents of a set that the ledger has with the same kind and payload, and settled."""
    known = union_all(*map(_entries, (ledger, past))).cte("penstock_known")
    same = and_(
        known.c.id == rows.cte.c[ID],
        known.c.digest == rows.cte.c[DIGEST],
        or_(*(known.c.kind == name for name in rows.names)),
        known.c.outcome != DEAD,
        known.c.outcome != PENDING,
    )
    skipped = select(known.c.id).join(rows.cte, same).cte("penstock_skipped")
    left = select(rows.cte).where(rows.cte.c[ID].not_in(select(skipped.c.id))).cte("penstock_fresh")
    return Fresh(left, known, skipped)


def _entries(generation: Table) -> Select[Any]:
    columns = (generation.c[name] for name in ("id", "kind", "outcome", "digest"))
    return select(*columns).where(generation.c.id == func.any(items(UUIDS, 0)))


def claim_fresh(rows: Rows, fresh: Fresh, outcome: ColumnElement[Any] | None) -> Select[Any]:
    """Build the statement that claims these intents.

    It selects the number of those that are stale, and the ids that were left out. It raises a data fault if the
    ledger has another one of the ids.

    Args:
        rows: the set.
        fresh: the intents of it.
        outcome: the outcome of each intent, or null if none can be entered; None if all are applied.
    """
    id_ = fresh.rows.c[ID]
    known = case(
        (id_.in_(select(fresh.known.c.id)), null()), else_=literal(APPLIED) if outcome is None else outcome
    )
    claimed = _claiming(rows.kind, fresh.rows, known).returning(ledger.c.outcome).cte("penstock_claimed")
    stale = select(func.pg_catalog.count(text("*"))).select_from(claimed).where(claimed.c.outcome == STALE)
    skipped = select(func.pg_catalog.array_agg(fresh.skipped.c.id)).where(_NOTE_SKIPPED)
    return select(stale.scalar_subquery(), skipped.scalar_subquery())


def select_stale(claiming: Insert) -> Select[Any]:
    """Make a `first_claim` a statement with a row for each intent that it claims as stale."""
    claimed = claiming.returning(ledger.c.outcome).cte("penstock_claimed")
    return select(literal_column("1")).select_from(claimed).where(claimed.c.outcome == STALE)


def claimed_here(rows: Rows) -> CTE:
    """Return the intents of a set that this transaction has claimed: all of it, or all but those it skipped."""
    claimed = exists().where(ledger.c.id == rows.cte.c[ID], ENTERED_HERE)
    # Entries are looked up only if anything was skipped.
    return select(rows.cte).where(or_(_NONE_SKIPPED, claimed)).cte("penstock_claimed_here")


def correct_claim(rows: CTE, outcome: ColumnElement[Any] | None) -> Update:
    """Build the statement that corrects the entries of a claimed set by the outcome of another write of its kind.

    It raises a data fault if that write has no outcome for an intent.

    Args:
        rows: the intents.
        outcome: the outcome of each intent, or null if none can be entered; None if all are applied.
    """
    outcome = literal(APPLIED) if outcome is None else outcome
    landed = and_(ledger.c.outcome == STALE, outcome == APPLIED)
    correcting = ledger.update().where(ledger.c.id == rows.c[ID], or_(outcome.is_(None), landed))
    return correcting.values(outcome=outcome)


def claim(rows: Rows) -> Select[Any]:
    """Build the statement that claims every id that can be claimed, and selects those that took effect before."""
    claiming: Insert = _claiming(rows.kind, rows.cte, literal(APPLIED), not_(settled_in_past(rows.cte.c[ID])))
    claimed = (
        claiming.on_conflict_do_update(
            index_elements=["id"],
            set_={
                **{name: claiming.excluded[name] for name in _ENTRY},
                "fault": null(),
                "attempts": case((ledger.c.outcome == DEAD, 0), else_=ledger.c.attempts),
                "settled_at": func.pg_catalog.clock_timestamp(),
            },
            where=unsettled(ledger),
        )
        .returning(ledger.c.id)
        .cte("penstock_claimed")
    )
    return select(rows.cte.c[ID]).where(rows.cte.c[ID].not_in(select(claimed.c.id)))


def id_conflicts(rows: Rows) -> CompoundSelect[Any]:
    """Build the query for the ids of a set under which another payload has taken effect."""
    # Not a join with the union of both generations: Postgres would read them from end to end.
    return union_all(*(_id_conflicts_in(rows, generation) for generation in (ledger, past)))


def _id_conflicts_in(rows: Rows, known: Table) -> Select[Any]:
    same_fields = known.c.digest.bitwise_xor(rows.cte.c[DIGEST]).bitwise_and(SAME_SHAPE) == 0
    differs = or_(
        known.c.kind.not_in(rows.names),
        and_(same_fields, known.c.digest != rows.cte.c[DIGEST]),
    )
    return select(rows.cte.c[ID]).join(known, known.c.id == rows.cte.c[ID]).where(not_(unsettled(known)), differs)


def _claiming(kind: str, rows: CTE, outcome: ColumnElement[Any], *conditions: ColumnElement[bool]) -> Any:
    # Sorted by id, so that two batches with the same ids wait for each other in one direction only. A transaction
    # that is claiming the same id is waited for.
    entries = (
        select(rows.c[ID], literal(kind), rows.c[TIME], rows.c[DIGEST], outcome)
        .where(*conditions)
        .order_by(rows.c[ID])
    )
    claiming: Insert = insert(ledger).from_select(_ENTRY, entries, include_defaults=False)
    return claiming
