"""The isolating path through a transaction: find the intents that are at fault, or that took effect before."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from penstock.consumer.batch import Item
from penstock.consumer.faults.tree import DataFault, Fault
from penstock.consumer.modes.base import Bound
from penstock.consumer.modes.tombstones import lock_deletable_tables
from penstock.consumer.pipeline.bisect import blame_many, write_bisecting
from penstock.consumer.pipeline.circles import write_circles
from penstock.consumer.pipeline.schema_faults import excuse_orphans, excuse_uncarried
from penstock.consumer.pipeline.unit_of_work import ByKind, UnitOfWork


def run_isolating_path(work: UnitOfWork) -> dict[Item, Fault]:
    """Claim and write everything that can be written, one kind after another, and mark the duplicates.

    Returns:
        The faults of the items that were not written. Some of these items are claimed all the same; `enter_faults`
        corrects their ledger entries.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the database is unwell; the transaction must be rolled back.
        EnvironmentFault: the same.
    """
    work.set_limits()
    return isolate(work, work.all_by_kind())


def isolate(
    work: UnitOfWork, by_kind: ByKind, refused: Mapping[Item, DataFault] = MappingProxyType({})
) -> dict[Item, Fault]:
    """Do the same for some items of the batch, while others of it have been written.

    Args:
        work: the batch, in a transaction whose settings are pinned.
        by_kind: the items.
        refused: those of them that Postgres has refused already, each with its fault. They are only claimed, if
            they are not yet.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: as `run_isolating_path`.
        EnvironmentFault: the same.
    """
    faults: dict[Item, Fault] = {}
    here = [bound for bound in work.writes if bound.kind in by_kind]
    # In the order of the fast path, which sends the streamed kinds before it knows the others.
    for bound in here:
        if bound.streams:
            faults |= _write(work, bound, by_kind[bound.kind], refused)
    lock_deletable_tables(work.connection, here)
    for bound in here:
        if not bound.streams:
            faults |= _write(work, bound, by_kind[bound.kind], refused)
    return excuse_orphans(work.connection, work.writes, write_circles(work, faults))


def _write(
    work: UnitOfWork, bound: Bound, items: Sequence[Item], refused: Mapping[Item, DataFault]
) -> dict[Item, Fault]:
    def claim(some: Sequence[Item]) -> None:
        claim_items(work, bound, some)

    def apply(some: Sequence[Item]) -> None:
        work.apply(bound, some)

    limits = work.out_of_time, work.limit_statements
    written = work.written[bound.kind]
    unclaimed = [item for item in items if not item.claimed]
    faults = write_bisecting(work.connection, unclaimed, claim, *limits, written=written)
    known = {item: refused[item] for item in items if item.claimed and item in refused}
    others = [item for item in items if item.claimed and item not in known]
    found = write_bisecting(work.connection, others, apply, *limits, written=written)
    if known:
        found |= known if written or len(found) < len(others) else blame_many(found | known)
    return faults | excuse_uncarried(work.connection, bound, found)


def claim_items(work: UnitOfWork, bound: Bound, items: Sequence[Item]) -> None:
    """Claim items of one kind; mark the duplicates, and those whose id belongs to another payload.

    Raises:
        Exception: as `KindWrite.claim` and `KindWrite.id_conflicts`.
    """
    envelopes = {item: item.require_envelope() for item in items}
    known = set(bound.write.claim(work.connection, list(envelopes.values())))
    repeated = [envelope for envelope in envelopes.values() if envelope.id in known]
    conflicts = set(bound.write.id_conflicts(work.connection, repeated)) if repeated else set()
    for item, envelope in envelopes.items():
        item.duplicate = envelope.id in known
        item.claimed = not item.duplicate
        item.id_conflict = envelope.id in conflicts
