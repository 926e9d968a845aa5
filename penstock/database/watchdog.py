"""Transactions with a limit that holds when the server has stopped answering.

Postgres's own timeouts need a server that is alive. One that is frozen, or cut off without a word, would hold an
invocation until Lambda kills it; its socket is shut down before that, and the driver reports a lost connection.
"""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any
from weakref import WeakSet

from sqlalchemy import Connection, Engine, event

_LOOK_SECONDS = 0.1
_IDLE_LOOKS = 50
"""After so many looks at nothing the thread ends; the next transaction starts another."""


class Watchdog:
    """Keeps an eye on every connection that an engine makes."""

    def __init__(self, engine: Engine) -> None:
        """Take an engine. What it has connected before is watched from its next transaction on."""
        self._engine = engine
        self._made: WeakSet[Any] = WeakSet()
        self._limits: dict[object, float] = {}
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
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
        with self._limited(seconds), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def undone(self, seconds: float) -> Iterator[Connection]:
        """Begin a transaction that is rolled back at the end of the block, and cut off if that takes too long.

        Args:
            seconds: how long it may take, with connecting.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: the database refused, is away, or was cut off.
        """
        with self._limited(seconds), self._engine.connect() as connection, connection.begin() as transaction:
            try:
                yield connection
            finally:
                if transaction.is_active:
                    transaction.rollback()

    @contextmanager
    def _limited(self, seconds: float) -> Iterator[None]:
        turn = object()
        self._limits[turn] = time.monotonic() + seconds
        self._watch()
        try:
            yield
        finally:
            del self._limits[turn]

    def _watch(self) -> None:
        """Have a thread look at the clock: one for many transactions, as to start one takes as long as a query."""
        with self._starting:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._look, name="penstock-watchdog", daemon=True)
                self._thread.start()

    def _look(self) -> None:
        clock = threading.Event()
        idle = 0
        while True:
            clock.wait(_LOOK_SECONDS)
            limits = list(self._limits.values())
            idle = 0 if limits else idle + 1
            if limits and time.monotonic() > min(limits):
                # Of connections that are being made meanwhile: the next look finds them.
                with suppress(RuntimeError):
                    self._cut_off()
            with self._starting:
                if idle >= _IDLE_LOOKS and not self._limits:
                    self._thread = None
                    return

    def _cut_off(self) -> None:
        for connection in list(self._made):
            # A copy of the descriptor: closing the driver's own would leave it waiting on somebody else's.
            with suppress(Exception), closing(socket.socket(fileno=socket.dup(connection.pgconn.socket))) as copy:
                copy.shutdown(socket.SHUT_RDWR)
