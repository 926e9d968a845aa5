"""The step `isolate`: find the intents that a set cannot be written with, by halving it under savepoints.

Whose fault it is shows in the end. Where anything of the set landed, the table and the permissions are fine, and
what was refused is at fault itself. Where nothing landed, and all for the same cause, it is the deployment.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

from pydantic_core import PydanticSerializationError
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from penstock.consumer.faults import Cause, DataFault, DeploymentFault, EnvironmentFault, Fault
from penstock.consumer.sqlstates import about_the_statement, fault_of

T = TypeVar("T")

SLICE = 1000
"""The most that is written at once: between slices there is time to look at the clock."""

SUSPICIOUS = 10
"""From this many on, a set of which nothing lands, all for one cause, is no longer taken for bad luck."""


def write_isolated(
    connection: Connection,
    things: Sequence[T],
    write: Callable[[Sequence[T]], None],
    out_of_time: Callable[[], bool],
) -> dict[int, Fault]:
    """Write all things that can be written, in as few sets as their faults and the time allow.

    One bad thing among n costs about 2 log2(n) statements, not n.

    Args:
        connection: in a transaction.
        things: what is to be written.
        write: writes a set of them, or raises and leaves it to the savepoint to undo what it did.
        out_of_time: tells whether to stop; what has not been written by then has an `EnvironmentFault`.

    Returns:
        The faults, by position in `things`. Everything else has been written.

    Raises:
        EnvironmentFault: the database is unwell; the transaction is to be rolled back.
    """
    faults: dict[int, Fault] = {}
    spans = [(start, min(start + SLICE, len(things))) for start in range(0, len(things), SLICE)][::-1]
    while spans:
        start, end = spans.pop()
        late = out_of_time()
        fault = _LATE if late else _attempt(connection, things[start:end], write)
        if fault is None:
            continue
        if late or end - start == 1 or about_the_statement(fault):
            faults.update(dict.fromkeys(range(start, end), fault))
        else:
            middle = (start + end) // 2
            spans += [(middle, end), (start, middle)]
    return _judged(faults, landed=len(things) - len(faults))


_LATE = EnvironmentFault(Cause("DeadlineExceeded"))


def _attempt(connection: Connection, things: Sequence[T], write: Callable[[Sequence[T]], None]) -> Fault | None:
    # By hand: SQLAlchemy rolls back to its savepoints without releasing them. They would nest, ever deeper, and
    # hold on to their locks until Postgres runs out of memory for these (SQLSTATE 53200).
    connection.exec_driver_sql("SAVEPOINT part")
    try:
        write(things)
    except PydanticSerializationError as error:
        fault: Fault = DataFault(Cause(type(error).__name__))
    except Fault as raised:
        fault = raised
    except SQLAlchemyError as error:
        fault = fault_of(error)
    else:
        connection.exec_driver_sql("RELEASE SAVEPOINT part")
        return None
    if isinstance(fault, EnvironmentFault):
        raise fault
    connection.exec_driver_sql("ROLLBACK TO SAVEPOINT part")
    connection.exec_driver_sql("RELEASE SAVEPOINT part")
    return fault


def _judged(faults: dict[int, Fault], landed: int) -> dict[int, Fault]:
    """Take each fault for what it is, now that it is known what else has landed."""
    if landed:
        return {i: DataFault(f.cause) if _may_be_data(f) else f for i, f in faults.items()}
    if len(faults) >= SUSPICIOUS and len({fault.cause for fault in faults.values()}) == 1:
        return {i: DeploymentFault(f.cause) if type(f) is DataFault else f for i, f in faults.items()}
    return faults


def _may_be_data(fault: Fault) -> bool:
    return isinstance(fault, DeploymentFault) and not about_the_statement(fault)
