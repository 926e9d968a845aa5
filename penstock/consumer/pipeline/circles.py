"""Rows that refer to each other in a circle, whose foreign keys are deferred.

Checked at once, such a foreign key refuses each of the rows, whichever is written first. That happens if another
row of the batch lacks its parent: COMMIT does not name that row, so constraints are no longer deferred. The rows
of each circle are then written together, and the constraints are checked after the last of them.
"""

from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Any

from sqlalchemy import Column, text

from penstock.consumer.batch import Item
from penstock.consumer.faults.tree import Fault
from penstock.consumer.modes.base import Bound
from penstock.consumer.pipeline.bisect import write_bisecting
from penstock.consumer.pipeline.schema_faults import is_orphan
from penstock.consumer.pipeline.unit_of_work import UnitOfWork
from penstock.intents.sensitive import revealed

Circle = tuple[Item, ...]

_DEFERRED = text("SET CONSTRAINTS ALL DEFERRED")
_IMMEDIATE = text("SET CONSTRAINTS ALL IMMEDIATE")


def write_circles(work: UnitOfWork, faults: Mapping[Item, Fault]) -> dict[Item, Fault]:
    """Write the orphans that are each other's parents; return the faults of all others.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the database is unwell; the transaction must be rolled back.
        EnvironmentFault: the same.
    """
    orphans = [item for item, fault in faults.items() if item.claimed and is_orphan(fault)]
    circles = _circles(work.writes, orphans)
    if not circles:
        return dict(faults)

    def write(some: Sequence[Circle]) -> None:
        work.connection.execute(_DEFERRED)
        for bound in work.writes:
            if items := [item for circle in some for item in circle if _kind(item) == bound.kind]:
                work.apply(bound, items)
        work.connection.execute(_IMMEDIATE)

    refused = write_bisecting(work.connection, circles, write, work.out_of_time, work.limit_statements)
    written = {item for circle in circles if circle not in refused for item in circle}
    return {item: fault for item, fault in faults.items() if item not in written}


def _circles(writes: Sequence[Bound], items: Sequence[Item]) -> list[Circle]:
    """Return the groups of items that are connected by the values of declared foreign keys."""
    by_kind = {bound.kind: bound for bound in writes}
    referred = {key.column for bound in writes for table in bound.tables for key in table.foreign_keys}
    groups: list[tuple[set[str], list[Item]]] = []
    for item in items:
        values, members = {*_linked_values(by_kind[_kind(item)], item, referred)}, [item]
        apart = []
        for group in groups:
            if group[0] & values:
                values |= group[0]
                members = group[1] + members
            else:
                apart.append(group)
        groups = [*apart, (values, members)]
    return [tuple(members) for _, members in groups if len(members) > 1]


def _linked_values(bound: Bound, item: Item, referred: Set[Column[Any]]) -> Iterator[str]:
    """Yield what an item refers to, and what others may refer to it by: the name of a column with a value."""
    envelope = item.require_envelope()
    bound_columns = [
        (one.table.c[name], field) for one in bound.requirements for name, field in one.fields.items()
    ]
    for column, field in bound_columns:
        value = envelope.id if field == "intent_id" else revealed(getattr(envelope.data, field, None))
        if value is None:
            continue
        for target in [*(key.column for key in column.foreign_keys), *({column} & referred)]:
            yield f"{target} {value}"


def _kind(item: Item) -> str:
    return item.require_envelope().type
