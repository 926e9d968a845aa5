"""The step `isolate`: find the items that Postgres refuses, by cutting a set up under savepoints.

An error code does not show whose fault it is: a trigger, a generated column or the parser of a type may raise any
code for a single row. So experiments decide. If the same statement fails without rows, too, the deployment is at
fault, and nothing is cut up. If a row is refused alone while others of its set are written, that row is at fault.
If no row is written, the code decides; and if many rows were refused for the same cause, they are tried again,
because the deployment may be at fault.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, Generic, TypeVar

from psycopg.pq import TransactionStatus
from sqlalchemy import Connection

from penstock.consumer.faults.sqlstate import fault_of, is_outage, may_be_data, timed_out
from penstock.consumer.faults.tree import (
    Cause,
    DataFault,
    EnvironmentFault,
    Fault,
    NotYetFault,
    SharedFault,
)
from penstock.consumer.pipeline.savepoint import Savepoint
from penstock.queue.chunks import chunked

T = TypeVar("T")

LATE = EnvironmentFault(Cause("DeadlineExceeded"))
"""The fault of items that there was no time for."""

SLICE = 1000
"""The most items in one statement. Between statements the time is checked."""

SYSTEMIC_MIN_ROWS = 10
"""If at least this many rows fail for one cause and none is written, the deployment may be at fault."""

_ENOUGH = 100
"""If this many rows fail one by one, by their code not through their data, and none is written, the rest is not
tried: what is broken for all must not use up the time of the other kinds."""


def write_bisecting(
    connection: Connection,
    things: Sequence[T],
    write: Callable[[Sequence[T]], None],
    out_of_time: Callable[[], bool],
    after_timeout: Callable[[], None] = lambda: None,
    *,
    written: int = 0,
) -> dict[T, Fault]:
    """Write all things that can be written, in as few sets as their faults and the time allow.

    One bad thing among n costs about 4 log4(n) statements, not n.

    Args:
        connection: in a transaction.
        things: the things to write.
        write: writes a set of them, or raises; the savepoint then undoes what it did. It is called without things,
            too, to find out whether it fails for every set; that is always undone.
        out_of_time: whether to stop; things that have not been written by then get an `EnvironmentFault`.
        after_timeout: called after an undone write, once a statement has taken too long: it limits the next ones.
        written: how many others of their set have been written already.

    Returns:
        The faults. Everything else has been written.

    Raises:
        EnvironmentFault: the database is unwell; the transaction must be rolled back.
        sqlalchemy.exc.SQLAlchemyError: the same.
        psycopg.Error: the same.
    """
    if not things:
        return {}
    faults: dict[T, Fault] = {}
    sets: list[Sequence[T]] = list(reversed(list(chunked(things, SLICE))))
    experiment = _Experiment(connection, write, after_timeout)
    while sets:
        some = sets.pop()
        late = out_of_time()
        fault = LATE if late else experiment.write(some)
        if fault is None:
            written += len(some)
            continue
        hopeless = not written and len(faults) >= _ENOUGH and not isinstance(fault, DataFault)
        if late or hopeless or len(some) == 1 or experiment.fails_without_rows(fault):
            faults.update(dict.fromkeys(some, fault))
        else:
            sets += _quarters(some)[::-1]
    decided = _blame_rows(faults, experiment) if written else blame_many(faults)
    experiment.close()
    return decided


def fails_without_things(connection: Connection, write: Callable[[Sequence[Any]], object]) -> bool:
    """Return whether a write of nothing is refused.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the database is unwell; the transaction must be rolled back.
        psycopg.Error: the same.
    """
    experiment: _Experiment[Any] = _Experiment(connection, write, lambda: None)
    works = experiment.still_works()
    experiment.close()
    return not works


def _quarters(things: Sequence[T]) -> list[Sequence[T]]:
    """Cut a set in four: that takes as many statements as halving, and fewer rows are written in vain."""
    cuts = sorted({len(things) * part // 4 for part in range(5)})
    return [things[start:end] for start, end in pairwise(cuts)]


class _Experiment(Generic[T]):
    """Writes sets under a savepoint, and finds out whether an empty set is refused as well."""

    def __init__(
        self, connection: Connection, write: Callable[[Sequence[T]], object], after_timeout: Callable[[], None]
    ) -> None:
        self._connection = connection
        self._write = write
        self._after_timeout = after_timeout
        self._timed_out = False
        self._without_rows: dict[Cause, bool] = {}
        self._savepoint = Savepoint(connection)

    def write(self, things: Sequence[T]) -> Fault | None:
        """Write a set, and keep it; or undo it, and return why it was refused."""
        try:
            self._write(things)
            # Inside the try, because Postgres refuses it if `write` swallowed an error.
            self._savepoint.keep()
        except Exception as error:  # noqa: BLE001 (a type of the service's may raise anything for one value)
            fault = self._not_an_outage(error)
            self._undo()
            return fault
        return None

    def fails_without_rows(self, fault: Fault) -> bool:
        """Return whether an empty set is refused, too. Each cause is examined once."""
        if isinstance(fault, DataFault):
            return False
        if fault.cause not in self._without_rows:
            self._without_rows[fault.cause] = self._empty_set_fails()
        return self._without_rows[fault.cause]

    def still_works(self) -> bool:
        """Return whether no cause was found that an empty set has, now too: the schema may change at any time."""
        return not any(self._without_rows.values()) and not self._empty_set_fails()

    def close(self) -> None:
        """Release the savepoint."""
        self._savepoint.close()

    def _empty_set_fails(self) -> bool:
        try:
            self._write(())
        except Exception as error:  # noqa: BLE001 (the same)
            self._not_an_outage(error)
            return True
        finally:
            if self._is_alive:
                self._undo()
        return False

    def _undo(self) -> None:
        self._savepoint.roll_back()
        if self._timed_out:
            # The savepoint undid the limit as well.
            self._after_timeout()

    def _not_an_outage(self, error: Exception) -> Fault:
        """Return the fault of an error, or raise the error if the transaction cannot go on."""
        fault = fault_of(error)
        if is_outage(fault) or not self._is_alive:
            raise error
        self._timed_out = self._timed_out or timed_out(fault)
        return fault

    @property
    def _is_alive(self) -> bool:
        if self._connection.invalidated or self._connection.closed:
            return False
        driver: Any = self._connection.connection.driver_connection
        return driver.pgconn.transaction_status in {TransactionStatus.INTRANS, TransactionStatus.INERROR}


def _blame_rows(faults: dict[T, Fault], experiment: _Experiment[T]) -> dict[T, Fault]:
    """Decide what is to blame if other rows of the set were written."""
    if not any(map(may_be_data, faults.values())) or not experiment.still_works():
        return faults
    return {thing: _fault_of_row(fault) if may_be_data(fault) else fault for thing, fault in faults.items()}


def _fault_of_row(fault: Fault) -> Fault:
    # The database may have been slow just then: such a row is tried a few times.
    return (NotYetFault if timed_out(fault) else DataFault)(fault.cause)


def blame_many(faults: dict[T, Fault]) -> dict[T, Fault]:
    """Decide what is to blame if no row was written."""
    tried = {thing: fault for thing, fault in faults.items() if not is_outage(fault)}
    if len(tried) >= SYSTEMIC_MIN_ROWS and len({fault.cause for fault in tried.values()}) == 1:
        for fault in tried.values():
            if type(fault) is DataFault:
                return faults | dict.fromkeys(tried, SharedFault(fault.cause))
    return faults
