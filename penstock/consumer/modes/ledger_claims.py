"""The ledger's statements: an id is claimed once, in the transaction that also writes; faults are entered."""

import json
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    JSON,
    ColumnElement,
    CompoundSelect,
    Connection,
    DateTime,
    Select,
    SmallInteger,
    Table,
    Text,
    Uuid,
    and_,
    bindparam,
    case,
    column,
    exists,
    func,
    literal,
    not_,
    null,
    or_,
    select,
    union_all,
)
from sqlalchemy.dialects.postgresql import Insert, insert

from penstock.consumer.batch import Item
from penstock.consumer.faults.tree import DataFault, Fault, NotYetFault
from penstock.consumer.mapping.columns import DIGEST, ID, TIME
from penstock.consumer.rows.arrays import Parameter
from penstock.consumer.rows.digest import SAME_SHAPE
from penstock.consumer.rows.recordset import Rows
from penstock.database.ledger import APPLIED, DEAD, PENDING, STALE, ledger, past
from penstock.intents import Envelope

PATIENCE = 5
"""How often an intent that cannot land yet is tried before it is given up."""

_ENTRY = ["id", "kind", "stated_at", "digest", "outcome"]


def _unsettled(generation: Table) -> ColumnElement[bool]:
    """Say that an intent has not taken effect, and may be claimed again."""
    return or_(generation.c.outcome == DEAD, generation.c.outcome == PENDING)


def first_claim(rows: Rows, landed: Select[Any] | None) -> Insert:
    """Claim all ids of a set that nothing is known of; raise a data fault if anything is known of one.

    Args:
        rows: the set.
        landed: the ids of those that are not stale; all of them if not given.
    """
    outcome: ColumnElement[Any] = literal(APPLIED)
    if landed is not None:
        outcome = case((rows.cte.c[ID].in_(landed), APPLIED), else_=STALE)
    # No outcome at all is what the ledger refuses.
    known = exists().where(past.c.id == rows.cte.c[ID])
    claiming: Insert = _claiming(rows, case((known, null()), else_=outcome))
    return claiming


def claim(rows: Rows) -> Select[Any]:
    """Claim all ids of a set that can be claimed, and select those that cannot: they have taken effect before."""
    claiming: Insert = _claiming(rows, literal(APPLIED), not_(_settled(rows.cte.c[ID])))
    claimed = (
        claiming.on_conflict_do_update(
            index_elements=["id"],
            set_={
                **{name: claiming.excluded[name] for name in _ENTRY},
                "fault": null(),
                "attempts": case((ledger.c.outcome == DEAD, 0), else_=ledger.c.attempts),
                "settled_at": func.clock_timestamp(),
            },
            where=_unsettled(ledger),
        )
        .returning(ledger.c.id)
        .cte("penstock_claimed")
    )
    return select(rows.cte.c[ID]).where(rows.cte.c[ID].not_in(select(claimed.c.id)))


def reused(rows: Rows) -> CompoundSelect[Any]:
    """Select those ids of a set under which something else has taken effect."""
    # Not a join with the union of both: Postgres would read them from end to end.
    return union_all(*(_reused_in(rows, generation) for generation in (ledger, past)))


def _reused_in(rows: Rows, known: Table) -> Select[Any]:
    same_fields = known.c.digest.bitwise_xor(rows.cte.c[DIGEST]).bitwise_and(SAME_SHAPE) == 0
    differs = or_(known.c.kind.not_in(rows.names), same_fields & (known.c.digest != rows.cte.c[DIGEST]))
    return select(rows.cte.c[ID]).join(known, known.c.id == rows.cte.c[ID]).where(not_(_unsettled(known)), differs)


def _claiming(rows: Rows, outcome: ColumnElement[Any], *conditions: ColumnElement[bool]) -> Any:
    # Sorted by id, so that two batches with the same ids wait for each other in one direction only. A transaction
    # that has the same id under way is waited for.
    entries = (
        select(rows.cte.c[ID], literal(rows.kind), rows.cte.c[TIME], rows.cte.c[DIGEST], outcome)
        .where(*conditions)
        .order_by(rows.cte.c[ID])
    )
    claiming: Insert = insert(ledger).from_select(_ENTRY, entries, include_defaults=False)
    return claiming


def _settled(id_: ColumnElement[Any]) -> ColumnElement[bool]:
    """Tell whether an intent took effect in the ledger's generation before this one."""
    return exists().where(past.c.id == id_, not_(_unsettled(past)))


def mark_stale(connection: Connection, ids: Collection[UUID]) -> None:
    """Enter claimed intents as stale: something newer was there."""
    if ids:
        connection.execute(_MARK_STALE, {"ids": list(ids)})


def mark_reused(connection: Connection, ids: Collection[UUID]) -> None:
    """Enter that something else came under these ids, which had taken effect before."""
    for statement in _MARK_REUSED if ids else ():
        connection.execute(statement, {"ids": list(ids)})


_ids = bindparam("ids", type_=ARRAY(Uuid))
_MARK_STALE = ledger.update().where(ledger.c.id == func.any(_ids)).values(outcome=STALE)
_MARK_REUSED = [t.update().where(t.c.id == func.any(_ids)).values(reused_at=func.now()) for t in (ledger, past)]

_rows = (
    func.json_to_recordset(bindparam("rows", type_=Parameter("JSON")))
    .table_valued(
        column("id", Uuid),
        column("type", Text),
        column("time", DateTime(timezone=True)),
        column("fault", JSON),
        column("counts", SmallInteger),
        column("outcome", Text),
    )
    .render_derived(name="intent", with_types=True)
)
_faulty = insert(ledger).from_select(
    ["id", "kind", "stated_at", "fault", "attempts", "outcome"],
    select(_rows.c.id, _rows.c.type, _rows.c.time, _rows.c.fault, _rows.c.counts, _rows.c.outcome)
    .where(not_(_settled(_rows.c.id)))
    .order_by(_rows.c.id),
    include_defaults=False,
)
_attempts = case((ledger.c.outcome == DEAD, 0), else_=ledger.c.attempts) + _faulty.excluded.attempts
_given_up = and_(_faulty.excluded.attempts > 0, _attempts >= PATIENCE)
_ENTER_FAULTS = _faulty.on_conflict_do_update(
    index_elements=["id"],
    set_={
        "outcome": case((_given_up, DEAD), else_=_faulty.excluded.outcome),
        "fault": _faulty.excluded.fault,
        "attempts": _attempts,
        "settled_at": func.clock_timestamp(),
    },
    where=or_(_unsettled(ledger), ledger.c.id == func.any(_ids)),
).returning(ledger.c.id, ledger.c.outcome)


class Entered(NamedTuple):
    """What became of faults that were to be entered.

    Attributes:
        waiting: the items that are to be tried again, of those that are at fault themselves.
        repeated: the items that could not be read yet, and that have taken effect before: by an earlier version of
            this code, which knew their kind.
    """

    waiting: Collection[Item] = ()
    repeated: Collection[Item] = ()


def enter_faults(connection: Connection, faults: Mapping[Item, Fault]) -> Entered:
    """Enter what did not land: as dead, or as pending where it is worth another try.

    What has taken effect before stays as it is. A try counts only here, where the database was there to be asked:
    an outage uses up no patience, however often SQS delivers meanwhile. What was claimed, and then not at fault
    itself, is pending again.
    """
    entered = {item: fault for item, fault in faults.items() if item.envelope and _is_entered(item, fault)}
    # Of several with one id the one that waits counts, which is why it comes last.
    in_order = sorted(entered, key=lambda item: isinstance(entered[item], NotYetFault))
    rows = {item.sound.id: _faulty_row(item.sound, entered[item]) for item in in_order}
    if not rows:
        return Entered()
    claimed = [item.sound.id for item in entered if item.claimed]
    found = connection.execute(_ENTER_FAULTS, {"rows": json.dumps(list(rows.values())), "ids": claimed})
    outcomes = {id_: outcome for id_, outcome in found}  # noqa: C416 (rows are no pairs to mypy)
    # A message that is in the batch twice waits twice.
    early = [item for item, fault in entered.items() if isinstance(fault, NotYetFault)]
    return Entered(
        waiting=[item for item in early if outcomes.get(item.sound.id) == PENDING],
        repeated=[item for item in early if item.sound.id not in outcomes],
    )


def _is_entered(item: Item, fault: Fault) -> bool:
    return item.claimed or isinstance(fault, DataFault)


def _faulty_row(envelope: Envelope[Any], fault: Fault) -> dict[str, Any]:
    hopeless = isinstance(fault, DataFault) and not isinstance(fault, NotYetFault)
    return {
        "id": str(envelope.id),
        "type": envelope.type,
        "time": envelope.time.isoformat(),
        "fault": fault.record(),
        "counts": int(isinstance(fault, DataFault)),
        "outcome": DEAD if hopeless else PENDING,
    }
