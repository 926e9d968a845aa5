"""The step `isolate`: find the items that a set cannot be written with, by cutting it up under savepoints.

Whose fault it is shows in the end. Where anything of the set landed, the table and the permissions are fine, and
what was refused is at fault itself. Where nothing landed, and all for the same cause, it is the deployment.
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
"""What there was no time for has this fault."""

SLICE = 1000
"""The most that is written at once: between slices there is time to look at the clock."""

SUSPICIOUS = 10
"""From this many on, a set of which nothing lands, all for one cause, is no longer taken for bad luck."""


def write_isolated(
    connection: Connection,
    things: Sequence[T],
    write: Callable[[Sequence[T]], None],
    out_of_time: Callable[[], bool],
) -> dict[T, Fault]:
    """Write all things that can be written, in as few sets as their faults and the time allow.

    One bad thing among n costs about 4 log4(n) statements, not n.

    Args:
        connection: in a transaction.
        things: what is to be written.
        write: writes a set of them, or raises and leaves it to the savepoint to undo what it did.
        out_of_time: tells whether to stop; what has not been written by then has an `EnvironmentFault`.

    Returns:
        The faults. Everything else has been written.

    Raises:
        EnvironmentFault: the database is unwell; the transaction is to be rolled back.
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
            sets += _parts(some)[::-1]
    savepoint.close()
    return _judged(faults, landed=len(things) - len(faults))


def _parts(things: Sequence[T]) -> list[Sequence[T]]:
    """Cut a set in four: as many statements as halving takes, and less that is written in vain."""
    cuts = sorted({len(things) * part // 4 for part in range(5)})
    return [things[start:end] for start, end in pairwise(cuts)]


def _attempt(savepoint: Savepoint, things: Sequence[T], write: Callable[[Sequence[T]], None]) -> Fault | None:
    try:
        write(things)
        # In here, as it is refused where somebody has swallowed an error of Postgres's.
        savepoint.keep()
    except (SQLAlchemyError, psycopg.Error, PydanticSerializationError, Fault) as error:
        fault = fault_of(error)
        if isinstance(fault, EnvironmentFault):
            raise
        savepoint.roll_back()
        return fault
    return None


def _judged(faults: dict[T, Fault], landed: int) -> dict[T, Fault]:
    """Take each fault for what it is, now that it is known what else has landed."""
    if landed:
        return {thing: DataFault(f.cause) if _may_be_data(f) else f for thing, f in faults.items()}
    if len(faults) >= SUSPICIOUS and len({fault.cause for fault in faults.values()}) == 1:
        for fault in faults.values():
            if type(fault) is DataFault:
                return dict.fromkeys(faults, DeploymentFault(fault.cause))
    return faults


def _may_be_data(fault: Fault) -> bool:
    return isinstance(fault, DeploymentFault) and not about_the_statement(fault)
