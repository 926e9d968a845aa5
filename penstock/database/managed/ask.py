"""Questions to the server that are given up after a while, whatever the network does.

A frozen function's socket may be dead without a sign of it: then the kernel resends, and an ordinary query waits.
Each question is a transaction of its own, in one round trip.
"""

import selectors
import time
from collections.abc import Sequence
from typing import Any, Final

import psycopg
from psycopg import errors, pq

ALIVE: Final = "SELECT true"
_ANSWER_SECONDS: Final = 5.0
_PING_SECONDS: Final = 2.0

Row = list[str | None]


def is_true(connection: psycopg.Connection[Any], question: str) -> bool:
    """Return whether the server answers a question with true in time. If not, the connection is of no more use.

    Args:
        connection: a connection outside of a transaction.
        question: a statement whose result is one boolean.
    """
    try:
        return ask(connection, question, seconds=_PING_SECONDS) == [["t"]]
    except psycopg.Error:
        return False


def ask(
    connection: psycopg.Connection[Any],
    question: str,
    parameters: Sequence[object] = (),
    *,
    seconds: float = _ANSWER_SECONDS,
) -> list[Row]:
    """Return the rows of a query as text.

    Args:
        connection: a connection outside of a transaction. After an error it is of no more use.
        question: the query, with `$1` and so on for the parameters.
        parameters: their values; each is sent as its text.
        seconds: how long to wait for the answer.

    Raises:
        psycopg.Error: the server refused the query, or did not answer in time.
    """
    pgconn = connection.pgconn
    values = [None if value is None else str(value).encode() for value in parameters]
    pgconn.send_query_params(question.encode(), values)
    _wait_for_answer(pgconn, time.monotonic() + seconds)
    result = pgconn.get_result()
    while pgconn.get_result() is not None:
        pass
    if result is None or result.status != pq.ExecStatus.TUPLES_OK:
        raise errors.error_from_result(result) if result else psycopg.OperationalError("the connection is lost")
    return [
        [_text(result.get_value(row, column)) for column in range(result.nfields)] for row in range(result.ntuples)
    ]


def _wait_for_answer(pgconn: Any, end: float) -> None:
    with selectors.DefaultSelector() as selector:
        selector.register(pgconn.socket, selectors.EVENT_READ | selectors.EVENT_WRITE)
        while pgconn.flush():
            _wait(selector, end)
        selector.modify(pgconn.socket, selectors.EVENT_READ)
        while pgconn.is_busy():
            _wait(selector, end)
            pgconn.consume_input()


def _wait(selector: selectors.BaseSelector, end: float) -> None:
    left = end - time.monotonic()
    if left <= 0 or not selector.select(left):
        raise psycopg.OperationalError("the server does not answer")


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode()
