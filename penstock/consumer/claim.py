"""The step `claim`: the ledger takes each id once, in the transaction that also writes."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import JSON, Connection, DateTime, Text, Uuid, bindparam, cast, column, func, literal, null, select
from sqlalchemy.dialects.postgresql import Insert, insert

from penstock.consumer.batch import Item
from penstock.consumer.faults import Fault
from penstock.database.ledger import APPLIED, DEAD, ledger
from penstock.intents import Envelope

_ENVELOPES: TypeAdapter[list[Envelope[Any]]] = TypeAdapter(list[Envelope[Any]])
_HEAD = {"__all__": {"id", "type", "time"}}

_rows = (
    func.json_to_recordset(cast(bindparam("rows", type_=Text), JSON))
    .table_valued(
        column("id", Uuid), column("type", Text), column("time", DateTime(timezone=True)), column("fault", JSON)
    )
    .render_derived(name="intent", with_types=True)
)


def _enter(outcome: str, fault: Any) -> Insert:
    """Build the statement that enters ids with an outcome; only a dead id may be entered again.

    A transaction that has the same id under way is waited for. The ids are sorted, so that two batches with
    the same ids wait for each other in one direction only.
    """
    columns = ["id", "kind", "stated_at", "outcome", "fault"]
    rows = select(_rows.c.id, _rows.c.type, _rows.c.time, literal(outcome), fault).order_by(_rows.c.id)
    statement = insert(ledger).from_select(columns, rows, include_defaults=False)
    renewed = {name: statement.excluded[name] for name in columns if name != "id"}
    return statement.on_conflict_do_update(
        index_elements=["id"],
        set_=renewed | {"settled_at": func.clock_timestamp()},
        where=ledger.c.outcome == DEAD,
    )


_claimed = _enter(APPLIED, cast(null(), JSON)).returning(ledger.c.id).cte("claimed")
_CLAIM = select(_rows.c.id).where(_rows.c.id.not_in(select(_claimed.c.id)))
_BURY = _enter(DEAD, _rows.c.fault)
_UNCLAIM = ledger.delete().where(ledger.c.id.in_(select(_rows.c.id)))


def claim(connection: Connection, items: Iterable[Item]) -> list[Item]:
    """Claim the ids of the items; an item that comes second within the batch is a duplicate, too.

    Returns:
        The items whose ids were claimed, sorted by id. All others have taken effect before.
    """
    first: dict[UUID, Item] = {}
    for item in items:
        item.duplicate = first.setdefault(_envelope(item).id, item) is not item
    if not first:
        return []
    rows = _dump([_envelope(item) for item in first.values()])
    for id_ in connection.scalars(_CLAIM, {"rows": rows}):
        first.pop(id_).duplicate = True
    return [first[id_] for id_ in sorted(first, key=_number)]


def bury(connection: Connection, faults: Mapping[Item, Fault]) -> None:
    """Enter hopeless items as dead, with their faults; what has taken effect before stays as it is."""
    known = {_envelope(item).id: (_envelope(item), fault) for item, fault in faults.items() if item.envelope}
    rows = [
        {"id": str(id_), "type": envelope.type, "time": envelope.time.isoformat(), "fault": fault.record()}
        for id_, (envelope, fault) in known.items()
    ]
    if rows:
        connection.execute(_BURY, {"rows": json.dumps(rows)})


def unclaim(connection: Connection, items: Iterable[Item]) -> None:
    """Give up claims of this transaction, so that the items can land in a later one or be entered as dead."""
    given_up = [_envelope(item) for item in items]
    if given_up:
        connection.execute(_UNCLAIM, {"rows": _dump(given_up)})


def _envelope(item: Item) -> Envelope[Any]:
    assert item.envelope is not None  # noqa: S101 (only what was decoded is claimed)
    return item.envelope


def _dump(envelopes: Sequence[Envelope[Any]]) -> str:
    return _ENVELOPES.dump_json(list(envelopes), include=_HEAD).decode()


def _number(id_: UUID) -> int:
    return id_.int
