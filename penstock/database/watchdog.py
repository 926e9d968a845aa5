"""Transactions with a time limit that holds even if the server has stopped responding.

Postgres's own timeouts need a working server. A server that is frozen, or silently disconnected, would block an
invocation until Lambda kills it. The watchdog shuts the socket down before that, and the driver reports a lost
connection.
"""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any
from weakref import WeakSet

from sqlalchemy import Connection, Engine, event

_POLL_SECONDS = 0.1
_MAX_IDLE_POLLS = 50
"""The thread ends after this many polls without a transaction; the next transaction starts another thread."""


class Watchdog:
    """Watches every connection of an engine."""

    def __init__(self, engine: Engine) -> None:
        """Watch an engine. A connection that already exists is watched from its next checkout on."""
        self._engine = engine
        self._connections: WeakSet[Any] = WeakSet()
        self._limits: dict[object, float] = {}
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        for name in ("connect", "checkout"):
            event.listen(engine, name, lambda connection, *_: self._connections.add(connection))

    @contextmanager
    def transaction(self, seconds: float) -> Iterator[Connection]:
        """Begin a transaction that commits at the end of the block. It is cut off if it takes too long.

        Args:
            seconds: how long it may take, including the time to connect and to commit.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: the database refused a statement, cannot be reached, or was cut off.
        """
        with self._limited(seconds), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def rolled_back(self, seconds: float) -> Iterator[Connection]:
        """Begin a transaction that is rolled back at the end of the block. It is cut off if it takes too long.

        Args:
            seconds: how long it may take, including the time to connect.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: the database refused a statement, cannot be reached, or was cut off.
        """
        with self._limited(seconds), self._engine.connect() as connection, connection.begin() as transaction:
            try:
                yield connection
            finally:
                if transaction.is_active:
                    transaction.rollback()

    @contextmanager
    def _limited(self, seconds: float) -> Iterator[None]:
        key = object()
        self._limits[key] = time.monotonic() + seconds
        self._ensure_thread()
        try:
            yield
        finally:
            del self._limits[key]

    def _ensure_thread(self) -> None:
        """Start the thread if none is running. All transactions share it: a start takes as long as a query."""
        with self._starting:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._poll, name="penstock-watchdog", daemon=True)
                self._thread.start()

    def _poll(self) -> None:
        clock = threading.Event()
        idle = 0
        while True:
            clock.wait(_POLL_SECONDS)
            limits = list(self._limits.values())
            idle = 0 if limits else idle + 1
            if limits and time.monotonic() > min(limits):
                # A connection may be added to the set meanwhile: the next poll handles it.
                with suppress(RuntimeError):
                    self._cut_off()
            with self._starting:
                if idle >= _MAX_IDLE_POLLS and not self._limits:
                    self._thread = None
                    return

    def _cut_off(self) -> None:
        for connection in list(self._connections):
            # A duplicate: if the driver's own descriptor were closed, another socket could reuse its number.
            with suppress(Exception), closing(socket.socket(fileno=socket.dup(connection.pgconn.socket))) as copy:
                copy.shutdown(socket.SHUT_RDWR)
