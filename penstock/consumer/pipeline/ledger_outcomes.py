"""The step `settle`: outcomes other than `applied` are entered in the ledger, in the transaction that writes."""

import json
from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    JSON,
    Connection,
    DateTime,
    SmallInteger,
    Text,
    Uuid,
    and_,
    bindparam,
    case,
    column,
    func,
    not_,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import insert

from penstock.consumer.batch import Item
from penstock.consumer.faults.tree import DataFault, Fault, NotYetFault
from penstock.consumer.modes.ledger_claims import settled_in_past, unsettled
from penstock.consumer.rows.wire import Parameter
from penstock.database.ledger import DEAD, EXPIRED, PENDING, STALE, ledger, past
from penstock.intents import Envelope

MAX_ATTEMPTS = 5
"""How often an intent that cannot be written yet is tried before it is dead."""

_ids = bindparam("ids", type_=ARRAY(Uuid))
_MARK_STALE = ledger.update().where(ledger.c.id == func.any(_ids)).values(outcome=STALE)
_MARK_ID_CONFLICTS = [
    generation.update().where(generation.c.id == func.any(_ids)).values(reused_at=func.pg_catalog.now())
    for generation in (ledger, past)
]


def mark_stale(connection: Connection, ids: Collection[UUID]) -> None:
    """Enter claimed intents as stale: something newer is in the table."""
    if ids:
        connection.execute(_MARK_STALE, {"ids": list(ids)})


def mark_id_conflicts(connection: Connection, ids: Collection[UUID]) -> None:
    """Enter when another payload came under these ids, whose intents have taken effect."""
    for statement in _MARK_ID_CONFLICTS if ids else ():
        connection.execute(statement, {"ids": list(ids)})


_rows = (
    func.pg_catalog.json_to_recordset(bindparam("rows", type_=Parameter("JSON")))
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
    .where(not_(settled_in_past(_rows.c.id)))
    .order_by(_rows.c.id),
    include_defaults=False,
)
_attempts = case((ledger.c.outcome == DEAD, 0), else_=ledger.c.attempts) + _faulty.excluded.attempts
_given_up = and_(
    _faulty.excluded.attempts > 0,
    _attempts >= MAX_ATTEMPTS,
    ledger.c.id != func.all(bindparam("patient", type_=ARRAY(Uuid))),
)
_ENTER_FAULTS = _faulty.on_conflict_do_update(
    index_elements=["id"],
    set_={
        "outcome": case((_given_up, DEAD), else_=_faulty.excluded.outcome),
        "fault": _faulty.excluded.fault,
        "attempts": _attempts,
        "settled_at": func.pg_catalog.clock_timestamp(),
    },
    where=or_(unsettled(ledger), ledger.c.id == func.any(_ids)),
).returning(ledger.c.id, ledger.c.outcome)


class EnteredFaults(NamedTuple):
    """What the ledger made of the faults.

    Attributes:
        retry_later: the items with a fault of their own that are tried again.
        duplicates: the items of an unknown kind or version that took effect before: an earlier deployment of the
            service knew their kind.
        entered: the items whose entry has changed.
    """

    retry_later: Collection[Item] = ()
    duplicates: Collection[Item] = ()
    entered: Collection[Item] = ()


def enter_faults(
    connection: Connection, faults: Mapping[Item, Fault], patient: Callable[[Item], bool] = lambda _item: False
) -> EnteredFaults:
    """Enter the items that were not written: as dead, or as pending if they are tried again.

    An intent that cannot be written yet is dead after its attempts, but not while `patient` says of its item that
    it has not waited for long.

    An intent that took effect before stays as it is. Attempts are counted only here, where the database answered:
    an outage uses up none, however often SQS delivers the message in the meantime. An item that was claimed and
    has no fault of its own is pending again.
    """
    entered = {
        item: fault
        for item, fault in faults.items()
        if item.envelope and (item.claimed or isinstance(fault, DataFault))
    }
    # Of several items with one id, one that is tried again counts. It comes last, so that its row replaces the
    # others.
    in_order = sorted(entered, key=lambda item: isinstance(entered[item], NotYetFault))
    envelopes = {item: item.require_envelope() for item in in_order}
    rows = {envelope.id: _faulty_row(envelope, entered[item]) for item, envelope in envelopes.items()}
    if not rows:
        return EnteredFaults()
    claimed = [envelopes[item].id for item in entered if item.claimed]
    waiting = [
        envelopes[item].id for item, fault in entered.items() if isinstance(fault, NotYetFault) and patient(item)
    ]
    parameters = {"rows": json.dumps(list(rows.values())), "ids": claimed, "patient": waiting}
    found = connection.execute(_ENTER_FAULTS, parameters)
    outcomes = {id_: outcome for id_, outcome in found}  # noqa: C416 (to mypy, a row is not a pair)
    # All items, not one for each id: a message that is in the batch twice goes back twice.
    early = [item for item, fault in entered.items() if isinstance(fault, NotYetFault)]
    return EnteredFaults(
        retry_later=[item for item in early if outcomes.get(envelopes[item].id) == PENDING],
        duplicates=[item for item in early if envelopes[item].id not in outcomes],
        entered=[item for item in entered if envelopes[item].id in outcomes],
    )


def enter_expired(connection: Connection, items: Collection[Item]) -> None:
    """Enter items that cannot be claimed, because of their data, as expired; what took effect stays as it is."""
    rows = [
        {"id": str(one.id), "type": one.type, "time": one.time.isoformat(), "counts": 0, "outcome": EXPIRED}
        for one in (item.require_envelope() for item in items)
    ]
    found = connection.execute(_ENTER_FAULTS, {"rows": json.dumps(rows), "ids": [], "patient": []}) if rows else ()
    entered = {row.id for row in found}
    for item in items:
        item.claimed = item.require_envelope().id in entered


def _faulty_row(envelope: Envelope[Any], fault: Fault) -> dict[str, Any]:
    is_dead = isinstance(fault, DataFault) and not isinstance(fault, NotYetFault)
    return {
        "id": str(envelope.id),
        "type": envelope.type,
        "time": envelope.time.isoformat(),
        "fault": fault.record(),
        "counts": int(isinstance(fault, DataFault)),
        "outcome": DEAD if is_dead else PENDING,
    }
