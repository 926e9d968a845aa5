"""The ledger's statements: ids are claimed once, in the transaction that also writes; faults are entered."""

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import (
    ARRAY,
    JSON,
    Boolean,
    Connection,
    DateTime,
    SmallInteger,
    Text,
    Uuid,
    bindparam,
    case,
    cast,
    column,
    func,
    literal,
    null,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import insert

from penstock.consumer.batch import Item
from penstock.consumer.faults import DataFault, Fault, NotYetFault
from penstock.database.ledger import APPLIED, DEAD, PENDING, STALE, ledger
from penstock.intents import Envelope

PATIENCE = 5
"""How often an intent that cannot land yet is tried before it is given up."""

_ENVELOPES: TypeAdapter[list[Envelope[Any]]] = TypeAdapter(list[Envelope[Any]])
_HEAD = {"__all__": {"id", "type", "time"}}

_rows = (
    func.json_to_recordset(cast(bindparam("rows", type_=Text), JSON))
    .table_valued(
        column("id", Uuid),
        column("type", Text),
        column("time", DateTime(timezone=True)),
        column("fault", JSON),
        column("waits", Boolean),
    )
    .render_derived(name="intent", with_types=True)
)

# Sorted by id, so that two batches with the same ids wait for each other in one direction only. A transaction that
# has the same id under way is waited for.
_claiming = insert(ledger).from_select(
    ["id", "kind", "stated_at", "outcome", "fault"],
    select(_rows.c.id, _rows.c.type, _rows.c.time, literal(APPLIED), cast(null(), JSON)).order_by(_rows.c.id),
    include_defaults=False,
)
_claimed = (
    _claiming.on_conflict_do_update(
        index_elements=["id"],
        set_={
            "outcome": APPLIED,
            "fault": null(),
            "attempts": 0,
            "stated_at": _claiming.excluded.stated_at,
            "settled_at": func.clock_timestamp(),
        },
        where=ledger.c.outcome.in_([DEAD, PENDING]),
    )
    .returning(ledger.c.id)
    .cte("claimed")
)
_CLAIM = select(_rows.c.id).where(_rows.c.id.not_in(select(_claimed.c.id)))

_faulty = insert(ledger).from_select(
    ["id", "kind", "stated_at", "outcome", "fault", "attempts"],
    select(
        _rows.c.id,
        _rows.c.type,
        _rows.c.time,
        case((_rows.c.waits, PENDING), else_=DEAD),
        _rows.c.fault,
        literal(1, SmallInteger),
    ).order_by(_rows.c.id),
    include_defaults=False,
)
_attempts = case((ledger.c.outcome == DEAD, 1), else_=ledger.c.attempts + 1)
_ENTER_FAULTS = _faulty.on_conflict_do_update(
    index_elements=["id"],
    set_={
        "outcome": case(
            (or_(_faulty.excluded.outcome == DEAD, _attempts >= PATIENCE), DEAD),
            else_=PENDING,
        ),
        "fault": _faulty.excluded.fault,
        "attempts": _attempts,
        "settled_at": func.clock_timestamp(),
    },
    where=ledger.c.outcome.in_([DEAD, PENDING]),
).returning(ledger.c.id, ledger.c.outcome)

_MARK_STALE = (
    ledger.update().where(ledger.c.id == func.any(bindparam("ids", type_=ARRAY(Uuid)))).values(outcome=STALE)
)


def claim(connection: Connection, items: Sequence[Item]) -> list[Item]:
    """Claim the ids of the items, no id twice; mark those that have taken effect before as duplicates.

    Returns:
        The items whose ids were claimed, sorted by id.
    """
    by_id = {_envelope(item).id: item for item in items}
    for item in items:
        item.duplicate = False
    for id_ in connection.scalars(_CLAIM, {"rows": _dump([_envelope(item) for item in items])}):
        by_id.pop(id_).duplicate = True
    return [by_id[id_] for id_ in sorted(by_id, key=_number)]


def mark_stale(connection: Connection, ids: Collection[UUID]) -> None:
    """Enter claimed intents as stale: something newer was there."""
    connection.execute(_MARK_STALE, {"ids": list(ids)})


def enter_faults(connection: Connection, faults: Mapping[Item, Fault]) -> list[Item]:
    """Enter what did not land: as dead, or as pending where it is worth another try.

    What has taken effect before stays as it is. A try counts only here, where the database was there to be asked:
    an outage uses up no patience, however often SQS delivers meanwhile.

    Returns:
        The items that are to be tried again.
    """
    known = {item: fault for item, fault in faults.items() if item.envelope and isinstance(fault, DataFault)}
    rows = {_envelope(item).id: _faulty_row(_envelope(item), fault) for item, fault in known.items()}
    if not rows:
        return []
    entered = connection.execute(_ENTER_FAULTS, {"rows": json.dumps(list(rows.values()))})
    pending = {id_ for id_, outcome in entered if outcome == PENDING}
    # A message that is in the batch twice waits twice.
    return [i for i, fault in known.items() if isinstance(fault, NotYetFault) and _envelope(i).id in pending]


def _faulty_row(envelope: Envelope[Any], fault: Fault) -> dict[str, Any]:
    return {
        "id": str(envelope.id),
        "type": envelope.type,
        "time": envelope.time.isoformat(),
        "fault": fault.record(),
        "waits": isinstance(fault, NotYetFault),
    }


def _envelope(item: Item) -> Envelope[Any]:
    assert item.envelope is not None  # noqa: S101 (only what was decoded is claimed)
    return item.envelope


def _dump(envelopes: Sequence[Envelope[Any]]) -> str:
    return _ENVELOPES.dump_json(list(envelopes), include=_HEAD, warnings=False).decode()


def _number(id_: UUID) -> int:
    return id_.int
