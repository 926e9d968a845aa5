"""The careful way through a transaction: find out which intents are at fault, or have taken effect before."""

from collections.abc import Sequence
from contextlib import nullcontext

from penstock.consumer.batch import Item
from penstock.consumer.faults.tree import Fault
from penstock.consumer.modes.base import Bound
from penstock.consumer.modes.ledger_claims import mark_stale
from penstock.consumer.modes.tombstones import lock_deletable_tables
from penstock.consumer.pipeline.bisect import write_isolated
from penstock.consumer.pipeline.unit_of_work import Work


def write_carefully(work: Work) -> dict[Item, Fault]:
    """Claim and write what can be, kind after kind; mark what has taken effect before.

    Returns:
        The faults of all else. Of that, what could be claimed is claimed; `enter_faults` sets it right.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the database is unwell; the transaction is to be rolled back.
        EnvironmentFault: the same.
    """
    faults: dict[Item, Fault] = {}
    work.set_limits()
    by_kind = work.all()
    here = [bound for bound in work.writes if bound.kind in by_kind]
    # In the order of the straight way, which has begun with these before it knows of the others.
    for bound in here:
        if bound.streams:
            faults |= _write(work, bound, by_kind[bound.kind])
    lock_deletable_tables(work.connection, here)
    for bound in here:
        if not bound.streams:
            faults |= _write(work, bound, by_kind[bound.kind])
    return faults


def _write(work: Work, bound: Bound, items: Sequence[Item]) -> dict[Item, Fault]:
    def claim(some: Sequence[Item]) -> None:
        _claim(work, bound, some)

    def apply(some: Sequence[Item]) -> None:
        with nullcontext() if bound.write.pipelined else work.session_kept():
            stale = bound.write.apply(work.connection, [item.sound for item in some])
        mark_stale(work.connection, stale)

    faults = write_isolated(work.connection, items, claim, work.late)
    claimed = [item for item in items if item.claimed]
    return faults | write_isolated(work.connection, claimed, apply, work.late)


def _claim(work: Work, bound: Bound, items: Sequence[Item]) -> None:
    known = set(bound.write.claim(work.connection, [item.sound for item in items]))
    repeated = [item.sound for item in items if item.sound.id in known]
    reused = set(bound.write.reused(work.connection, repeated)) if repeated else set()
    for item in items:
        item.duplicate = item.sound.id in known
        item.claimed = not item.duplicate
        item.reused = item.sound.id in reused
