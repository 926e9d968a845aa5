"""The connection that an instance keeps between invocations: tried out before its use, given back in need."""

import logging
from typing import Any, Final
from weakref import ReferenceType, ref

import psycopg
from sqlalchemy import Engine, event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

from penstock.database.engine import Attempt
from penstock.database.managed.ask import ALIVE, is_true
from penstock.database.managed.cleaning import DROP_LOCK, TAKE_LOCK
from penstock.database.managed.connecting import Connecting
from penstock.database.managed.events import Closed, Recorder
from penstock.database.managed.scarcity import Scarcity

_NEW: Final = "new"

_logger = logging.getLogger(__name__)


class _TooOld(Exception):
    """The kept connection is one that the pool replaces."""


class KeptConnection:
    """The one connection of an engine's pool."""

    def __init__(self, scarcity: Scarcity, connecting: Connecting, recorder: Recorder) -> None:
        """Begin without a connection.

        Args:
            scarcity: finds out whether the server's connections are scarce.
            connecting: makes the connections.
            recorder: is told what happens.
        """
        self._scarcity = scarcity
        self._connecting = connecting
        self._recorder = recorder
        self._engine: Engine | None = None
        # Weak: a connection that its user drops without closing it comes back to the pool.
        self._borrowed: ReferenceType[PoolProxiedConnection] | None = None
        self._idle: ConnectionPoolEntry | None = None
        self._settling = False
        self._reason = Closed.REPLACED

    def watch(self, engine: Engine) -> None:
        """Watch what becomes of the connection of an engine."""
        self._engine = engine
        for name in ("connect", "checkout", "checkin", "invalidate", "close"):
            event.listen(engine, name, getattr(self, f"_on_{name}"))

    def connect(self, attempt: Attempt, options: dict[str, Any]) -> Any:
        """Make the connection; but not at the end of an invocation, where the pool may find that it is too old."""
        if self._settling:
            raise _TooOld
        return self._connecting.connect(attempt, options)

    def settle(self) -> None:
        """Leave the connection as a frozen instance may hold it, or give it back. The answer is made: no error."""
        if self._engine is None:
            return
        try:
            self._roll_back_left_open()
            self._give_back(self._engine)
        except Exception as error:  # noqa: BLE001 (the answer is made)
            self._recorder.failed(error)

    def _roll_back_left_open(self) -> None:
        borrowed = self._borrowed and self._borrowed()
        if borrowed:
            _logger.warning("the handler left a transaction open", extra={"action": "transaction_left_open"})
            self._reason = Closed.LEFT_OPEN
            borrowed.invalidate()
            borrowed.close()

    def _give_back(self, engine: Engine) -> None:
        """Close the connection if the server has few free ones, so that other instances can have theirs."""
        is_kept = self._idle and self._idle.dbapi_connection and not self._borrowed
        if not is_kept or not (self._scarcity.is_remembered or self._scarcity.is_due):
            return
        self._settling = True
        try:
            kept = engine.raw_connection()
            try:
                if not self._scarcity.is_remembered:
                    self._scarcity.look(kept.dbapi_connection)  # type: ignore[arg-type]
                if self._scarcity.is_remembered:
                    self._reason = Closed.GIVEN_BACK
                    kept.invalidate()
            except psycopg.Error as error:
                kept.invalidate(error)
            kept.close()
        except _TooOld:
            pass
        finally:
            self._settling = False

    def _on_connect(self, _connection: Any, entry: ConnectionPoolEntry) -> None:
        entry.info[_NEW] = True

    def _on_checkout(
        self, connection: psycopg.Connection[Any], entry: ConnectionPoolEntry, proxy: PoolProxiedConnection
    ) -> None:
        """Find out whether the connection is alive, before a statement depends on it.

        Raises:
            DisconnectionError: it is not. The pool makes another one.
        """
        if self._settling:
            return
        is_new = entry.info.pop(_NEW, False)
        if not is_new and not is_true(connection, TAKE_LOCK if self._scarcity.cleans else ALIVE):
            raise DisconnectionError("the connection is dead, or another instance is about to end it")
        self._borrowed = ref(proxy)

    def _on_checkin(self, connection: psycopg.Connection[Any] | None, entry: ConnectionPoolEntry) -> None:
        self._idle = entry
        borrowed, self._borrowed = self._borrowed, None
        if borrowed and connection and self._scarcity.cleans and not is_true(connection, DROP_LOCK):
            entry.invalidate(DisconnectionError("the connection broke after its use"))

    def _on_invalidate(self, _connection: Any, _entry: ConnectionPoolEntry, error: BaseException | None) -> None:
        if error is not None:
            self._reason = Closed.LOST
        if error is not None and not isinstance(error, DisconnectionError):
            self._recorder.failed(error)

    def _on_close(self, _connection: Any, _entry: ConnectionPoolEntry) -> None:
        reason, self._reason = self._reason, Closed.REPLACED
        self._recorder.closed(reason)
