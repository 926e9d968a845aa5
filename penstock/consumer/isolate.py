"""The step `isolate`: find the rows that a set cannot be written with, by halving it under savepoints."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from penstock.consumer.faults import DataFault
from penstock.consumer.sqlstates import fault_of

T = TypeVar("T")


def write_isolated(
    connection: Connection, things: Sequence[T], write: Callable[[Sequence[T]], None]
) -> dict[int, DataFault]:
    """Write all things that can be written, in as few sets as their faults allow.

    One bad thing among n costs about 2 log2(n) statements, not n.

    Returns:
        The data faults, by position in `things`. Everything else has been written.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: something that is no data fault; the transaction is to be rolled back.
    """
    faults: dict[int, DataFault] = {}
    spans = [(0, len(things))] if things else []
    while spans:
        start, end = spans.pop()
        fault = _attempt(connection, things[start:end], write)
        if fault is None:
            continue
        if end - start == 1:
            faults[start] = fault
        else:
            middle = (start + end) // 2
            spans += [(middle, end), (start, middle)]
    return faults


def _attempt(
    connection: Connection, things: Sequence[T], write: Callable[[Sequence[T]], None]
) -> DataFault | None:
    try:
        with connection.begin_nested():
            write(things)
    except SQLAlchemyError as error:
        fault = fault_of(error)
        if not isinstance(fault, DataFault):
            raise
        return fault
    return None
