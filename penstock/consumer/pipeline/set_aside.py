"""The step `set aside`: intents that are not written now, because they have expired or their kind is held.

They are claimed as all others are, so the ledger decides between them and their duplicates: an intent that took
effect never expires, and one that has expired never takes effect.
"""

from collections.abc import Callable, Sequence

from psycopg.errors import CheckViolation
from sqlalchemy import ARRAY, JSON, Connection, Uuid, bindparam, func
from sqlalchemy.exc import IntegrityError

from penstock.consumer.batch import Item
from penstock.consumer.faults.tree import Cause, DataFault, DeploymentFault, Fault
from penstock.consumer.modes.base import Bound
from penstock.consumer.pipeline.bisect import write_bisecting
from penstock.consumer.pipeline.holding import lock_holds, park_items
from penstock.consumer.pipeline.isolating_path import claim_items
from penstock.consumer.pipeline.ledger_outcomes import enter_expired
from penstock.consumer.pipeline.unit_of_work import UnitOfWork
from penstock.database.ledger import EXPIRED, HELD, PENDING, ledger

_WHY = {"fault": "Held", "detail": HELD, "reason": HELD}
_ids = bindparam("ids", type_=ARRAY(Uuid))
_MARK_EXPIRED = ledger.update().where(ledger.c.id == func.any(_ids)).values(outcome=EXPIRED)
_MARK_HELD = (
    ledger.update()
    .where(ledger.c.id == func.any(_ids))
    .values(outcome=PENDING, fault=bindparam("why", type_=JSON))
)


def settle_set_aside(work: UnitOfWork) -> dict[Item, Fault]:
    """Enter the intents that were set aside, and park those that are held.

    Returns:
        The faults of those that could not be entered.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the database is unwell; the transaction must be rolled back.
        HoldsChanged: a kind is not held any more; the same.
    """
    faults: dict[Item, Fault] = {}
    if not (work.expired or work.held):
        return faults
    lock_holds(work.connection, [*work.held])
    for bound in work.writes:
        faults |= _expire(work, bound, work.expired.get(bound.kind, ()))
        faults |= _enter(work, bound, work.held.get(bound.kind, ()), _hold)
    return faults


def _expire(work: UnitOfWork, bound: Bound, items: Sequence[Item]) -> dict[Item, Fault]:
    faults = _enter(work, bound, items, _mark_expired)
    # Even a value that Postgres cannot read does not matter any more.
    unreadable = [item for item, fault in faults.items() if isinstance(fault, DataFault)]
    enter_expired(work.connection, unreadable)
    return {item: fault for item, fault in faults.items() if item not in unreadable}


def _enter(
    work: UnitOfWork,
    bound: Bound,
    items: Sequence[Item],
    mark: Callable[[Connection, Sequence[Item]], None],
) -> dict[Item, Fault]:
    if not items:
        return {}

    def claim(some: Sequence[Item]) -> None:
        claim_items(work, bound, some)
        mark(work.connection, [item for item in some if item.claimed])

    return write_bisecting(work.connection, items, claim, work.out_of_time, work.limit_statements)


def _hold(connection: Connection, items: Sequence[Item]) -> None:
    """Enter claimed items as pending, and park their messages."""
    connection.execute(_MARK_HELD, {"ids": [item.require_envelope().id for item in items], "why": _WHY})
    park_items(connection, items)


def _mark_expired(connection: Connection, items: Sequence[Item]) -> None:
    """Enter claimed items as expired.

    Raises:
        DeploymentFault: the ledger does not have that outcome yet.
    """
    try:
        connection.execute(_MARK_EXPIRED, {"ids": [item.require_envelope().id for item in items]})
    except IntegrityError as error:
        if isinstance(error.orig, CheckViolation):
            raise DeploymentFault(Cause("migration-missing", table=ledger.fullname)) from error
        raise
