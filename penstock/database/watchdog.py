"""Transactions with a limit that holds when the server has stopped answering.

Postgres's own timeouts need a server that is alive. One that is frozen, or cut off without a word, would hold an
invocation until Lambda kills it; its socket is shut down before that, and the driver reports a lost connection.
"""

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any
from weakref import WeakSet

from sqlalchemy import Connection, Engine, event


class Watchdog:
    """Keeps an eye on every connection that an engine makes."""

    def __init__(self, engine: Engine) -> None:
        """Take an engine. What it has connected before is watched from its next transaction on."""
        self._engine = engine
        self._made: WeakSet[Any] = WeakSet()
        for moment in ("connect", "checkout"):
            event.listen(engine, moment, lambda connection, *_: self._made.add(connection))

    @contextmanager
    def transaction(self, seconds: float) -> Iterator[Connection]:
        """Begin a transaction that commits at the end of the block, and is cut off if that takes too long.

        Args:
            seconds: how long it may take, with connecting and committing.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: the database refused, is away, or was cut off.
        """
        timer = threading.Timer(seconds, self._cut_off)
        timer.daemon = True
        timer.start()
        try:
            with self._engine.begin() as connection:
                yield connection
        finally:
            timer.cancel()

    def _cut_off(self) -> None:
        for connection in list(self._made):
            # A copy of the descriptor: closing the driver's own would leave it waiting on somebody else's.
            with suppress(Exception), closing(socket.socket(fileno=socket.dup(connection.pgconn.socket))) as copy:
                copy.shutdown(socket.SHUT_RDWR)
