"""The ledger's claims: each id is claimed once, in the transaction that also writes."""

from typing import Any, NamedTuple

from sqlalchemy import (
    ARRAY,
    CTE,
    ColumnElement,
    CompoundSelect,
    Select,
    Table,
    Text,
    Update,
    Uuid,
    and_,
    case,
    cast,
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

SKIPPED_HERE = "pg_catalog.current_setting('penstock.skipped', true)"
"""The ids that the statements of this transaction have skipped, with commas between them, or null."""
_COMMA: ColumnElement[str] = literal_column("','")


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

    It selects the number of those that are stale, and the ids that were left out, with commas between them. It
    raises a data fault if the ledger has another one of the ids.

    Args:
        rows: the set.
        fresh: the intents of it.
        outcome: the outcome of each intent, or null if none can be entered; None if all are applied.
    """
    id_ = fresh.rows.c[ID]
    # The ledger refuses an entry without an outcome.
    known = case(
        (id_.in_(select(fresh.known.c.id)), null()), else_=literal(APPLIED) if outcome is None else outcome
    )
    claimed = _claiming(rows.kind, fresh.rows, known).returning(ledger.c.outcome).cte("penstock_claimed")
    stale = select(func.pg_catalog.count(text("*"))).select_from(claimed).where(claimed.c.outcome == STALE)
    ids = func.pg_catalog.string_agg(cast(fresh.skipped.c.id, Text), _COMMA)
    skipped = select(ids).having(_note_skipped(ids))
    return select(stale.scalar_subquery(), skipped.scalar_subquery())


def _note_skipped(ids: ColumnElement[Any]) -> ColumnElement[bool]:
    """Return a condition that is true, and adds ids to `SKIPPED_HERE`."""
    # There is a comma at the beginning if none were skipped before.
    all_ids = func.pg_catalog.ltrim(func.pg_catalog.concat_ws(_COMMA, literal_column(SKIPPED_HERE), ids), _COMMA)
    added: ColumnElement[str] = func.pg_catalog.set_config(
        literal_column("'penstock.skipped'"), all_ids, literal_column("true")
    )
    return added.is_not(None)


def skipped_here() -> Select[Any]:
    """Select the ids of `SKIPPED_HERE`."""
    ids = func.pg_catalog.string_to_array(literal_column(SKIPPED_HERE), _COMMA)
    return select(func.pg_catalog.unnest(cast(ids, ARRAY(Uuid))))


def claimed_here(rows: Rows) -> CTE:
    """Return the intents of a set that this transaction has claimed: all but those that it skipped."""
    return select(rows.cte).where(rows.cte.c[ID].not_in(skipped_here())).cte("penstock_claimed_here")


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
