"""The step `isolate`: find the items that Postgres refuses, by cutting a set up under savepoints.

At the end it is known whose fault it is. If any item of the set was written, the table and the permissions are
fine, and the refused items are at fault. If none was written, and all failed for the same cause, the deployment is
at fault.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TypeVar

import psycopg
from pydantic_core import PydanticSerializationError
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from penstock.consumer.faults.sqlstate import about_the_statement, fault_of
from penstock.consumer.faults.tree import Cause, DataFault, DeploymentFault, EnvironmentFault, Fault
from penstock.consumer.pipeline.savepoint import Savepoint
from penstock.queue.chunks import chunked

T = TypeVar("T")

LATE = EnvironmentFault(Cause("DeadlineExceeded"))
"""The fault of items that there was no time for."""

SLICE = 1000
"""The most items in one statement. Between statements the time is checked."""

SYSTEMIC_MIN_ROWS = 10
"""If at least this many rows fail for one cause and none is written, the deployment is at fault, not the data."""


def write_bisecting(
    connection: Connection,
    things: Sequence[T],
    write: Callable[[Sequence[T]], None],
    out_of_time: Callable[[], bool],
) -> dict[T, Fault]:
    """Write all things that can be written, in as few sets as their faults and the time allow.

    One bad thing among n costs about 4 log4(n) statements, not n.

    Args:
        connection: in a transaction.
        things: the things to write.
        write: writes a set of them, or raises; the savepoint then undoes what it did.
        out_of_time: whether to stop; things that have not been written by then get an `EnvironmentFault`.

    Returns:
        The faults. Everything else has been written.

    Raises:
        EnvironmentFault: the database is unwell; the transaction must be rolled back.
        psycopg.Error: the same.
    """
    faults: dict[T, Fault] = {}
    sets: list[Sequence[T]] = list(reversed(list(chunked(things, SLICE))))
    savepoint = Savepoint(connection)
    while sets:
        some = sets.pop()
        late = out_of_time()
        fault = LATE if late else _attempt(savepoint, some, write)
        if fault is None:
            continue
        if late or len(some) == 1 or about_the_statement(fault):
            faults.update(dict.fromkeys(some, fault))
        else:
            sets += _quarters(some)[::-1]
    savepoint.close()
    return _reclassify(faults, written=len(things) - len(faults))


def _quarters(things: Sequence[T]) -> list[Sequence[T]]:
    """Cut a set in four: that takes as many statements as halving, and fewer rows are written in vain."""
    cuts = sorted({len(things) * part // 4 for part in range(5)})
    return [things[start:end] for start, end in pairwise(cuts)]


def _attempt(savepoint: Savepoint, things: Sequence[T], write: Callable[[Sequence[T]], None]) -> Fault | None:
    try:
        write(things)
        # Inside the try, because Postgres refuses it if `write` swallowed an error.
        savepoint.keep()
    except (SQLAlchemyError, psycopg.Error, PydanticSerializationError, Fault) as error:
        fault = fault_of(error)
        if isinstance(fault, EnvironmentFault):
            raise
        savepoint.roll_back()
        return fault
    return None


def _reclassify(faults: dict[T, Fault], written: int) -> dict[T, Fault]:
    """Decide between data and deployment, once it is known how many other things were written."""
    if written:
        return {thing: DataFault(f.cause) if _may_be_data(f) else f for thing, f in faults.items()}
    if len(faults) >= SYSTEMIC_MIN_ROWS and len({fault.cause for fault in faults.values()}) == 1:
        for fault in faults.values():
            if type(fault) is DataFault:
                return dict.fromkeys(faults, DeploymentFault(fault.cause))
    return faults


def _may_be_data(fault: Fault) -> bool:
    return isinstance(fault, DeploymentFault) and not about_the_statement(fault)
