"""The managed engine: one connection for a function that talks to Postgres itself, at any number of instances."""

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property, wraps
from typing import Final, ParamSpec, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from penstock.database.engine import make_engine
from penstock.database.managed.backoff import Backoff, Strategy
from penstock.database.managed.cleaning import Cleaning
from penstock.database.managed.connecting import Connecting
from penstock.database.managed.deadline import Deadline
from penstock.database.managed.events import Hooks, Recorder, Stats
from penstock.database.managed.kept import KeptConnection
from penstock.database.managed.scarcity import Scarcity
from penstock.database.watchdog import Watchdog
from penstock.settings import Settings

_TO_CANCEL_SECONDS: Final = 0.25
"""The server cancels a statement this long before its connection is cut off, so that its locks are free again."""
_CONFLICTS: Final = ("40001", "40P01")
"""Serialization failure and deadlock: the server has rolled the transaction back, so it may be begun again."""
_LIMIT: Final = "SELECT pg_catalog.set_config('statement_timeout', %s, true)"

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


def managed_engine(
    url: str | None = None,
    *,
    utilization: float | None = 0.8,
    connect_seconds: float = 25,
    backoff: Strategy = "full",
    base_seconds: float = 1,
    cap_seconds: float = 10,
    cleaning: Cleaning | None = None,
    hooks: Hooks | None = None,
) -> "ManagedEngine":
    """Make an engine of one connection for a function that talks to Postgres itself. It connects at first use.

    Args:
        url: a `postgresql://` URL, or another form of a database's address; by default the setting
            `PENSTOCK_DATABASE_URL`, read at first use.
        utilization: the share of the connections that the server grants. When more are in use, the engine keeps
            none between invocations, so that the instances take turns; None to keep it in any case.
        connect_seconds: how long connecting may take, all attempts and waits included. In a handler, no attempt
            begins after the invocation's deadline.
        backoff: the waits between attempts: `full` or `decorrelated` jitter, or a function of the last wait in
            seconds and the number of attempts that returns the next wait.
        base_seconds: the smallest wait of `decorrelated`, and half of the longest first one of `full`. An attempt
            costs the server a process and a check of the password, so shorter waits make a spike worse.
        cap_seconds: the longest wait.
        cleaning: which sessions of other instances of this function may be ended when connections are scarce;
            None for none.
        hooks: functions that are told what happens.

    Raises:
        ValueError: a number is out of its range, or there is cleaning without a utilization.
    """
    if utilization is not None and not 0 < utilization <= 1:
        raise ValueError("utilization must be greater than 0 and at most 1, or None")
    if cleaning and utilization is None:
        raise ValueError("cleaning needs a utilization, above which it begins")
    if not 0 < connect_seconds < math.inf:
        raise ValueError("connect_seconds must be greater than 0, and finite")
    recorder = Recorder(hooks or Hooks())
    scarcity = Scarcity(utilization, cleaning, recorder)
    return ManagedEngine(url, scarcity, Backoff(backoff, base_seconds, cap_seconds), connect_seconds, recorder)


class ManagedEngine:
    """An engine of one connection that outlives freezes, waits for its turn, and yields to others.

    `managed_engine` makes it, outside of the handler.
    """

    def __init__(
        self, url: str | None, scarcity: Scarcity, backoff: Backoff, connect_seconds: float, recorder: Recorder
    ) -> None:
        """Remember the parts; `managed_engine` has the defaults."""
        self._url = url
        self._recorder = recorder
        self._deadline = Deadline()
        self._connecting = Connecting(scarcity, backoff, self._deadline, connect_seconds, recorder)
        self._kept = KeptConnection(scarcity, self._connecting, recorder)
        self._owner: int | None = None

    @cached_property
    def engine(self) -> Engine:
        """The engine of SQLAlchemy, for sessions of its ORM and all else. Its pool has one connection.

        Raises:
            penstock.settings.SettingsError: the URL is not set, or is not valid.
            penstock.settings.SecretUnavailable: the secret that the URL names cannot be read.
        """
        url = self._url or Settings.from_environment().require("database_url").database_url
        engine = make_engine(url, pre_ping=False, around_connect=self._kept.connect)
        self._kept.watch(engine)
        return engine

    def handler(self, function: Callable[_Arguments, _Result]) -> Callable[_Arguments, _Result]:
        """Decorate a Lambda handler, a function of an event and a context.

        While it runs, nothing waits for the database beyond the invocation's deadline. At its end, a transaction
        that it left open is rolled back; and the connection is given back if the server has few, or else kept.
        """

        @wraps(function)
        def handle(*arguments: _Arguments.args, **named: _Arguments.kwargs) -> _Result:
            context = named.get("context", arguments[1] if len(arguments) > 1 else None)
            try:
                with self._deadline.of(context):
                    return function(*arguments, **named)
            finally:
                self._kept.settle()

        return handle

    @contextmanager
    def transaction(self, seconds: float = math.inf) -> Iterator[Connection]:
        """Begin a transaction that commits at the end of the block, and is rolled back by an error.

        Args:
            seconds: how long it may take, with connecting and the commit. In a handler, it never takes longer than
                the invocation. The server cancels a statement that is at work then.

        Raises:
            RuntimeError: this thread has a transaction already, and the pool has no second connection.
            sqlalchemy.exc.SQLAlchemyError: the database refused a statement, cannot be reached, or was cut off.
        """
        if self._owner == threading.get_ident():
            raise RuntimeError(
                "this thread has a transaction already, and the engine has one connection: pass the connection of "
                "that transaction on, or use its begin_nested()"
            )
        end = time.monotonic() + self._deadline.within(seconds)
        with self._begin(end) as connection:
            self._owner = threading.get_ident()
            try:
                yield connection
            finally:
                self._owner = None

    def run(self, work: Callable[[Connection], _Result], seconds: float = math.inf) -> _Result:
        """Call a function in a transaction, and again in a new one after a conflict; return its result.

        A conflict is a deadlock or a serialization failure, which the server has rolled back. Nothing else is done
        again: after a lost connection, nobody knows what was committed.

        Args:
            work: is called with the connection. Only what it does with that connection is rolled back.
            seconds: how long it may take in all, as for `transaction`; conflicts are retried for no longer than
                connecting may take.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: as for `transaction`.
        """
        end = time.monotonic() + self._deadline.within(seconds)
        waits = self._connecting.waits(end)
        while True:
            try:
                with self.transaction(end - time.monotonic()) as connection:
                    return work(connection)
            except DBAPIError as error:
                if getattr(error.orig, "sqlstate", None) not in _CONFLICTS or not waits.another(error):
                    raise

    def get_stats(self) -> Stats:
        """Return counters of what has happened since the engine was made."""
        return self._recorder.snapshot()

    def close(self) -> None:
        """Close the connection; the next use opens another. With SnapStart, call it before the snapshot."""
        if "engine" in self.__dict__:
            self.engine.dispose()

    @cached_property
    def _watchdog(self) -> Watchdog:
        return Watchdog(self.engine)

    @contextmanager
    def _begin(self, end: float) -> Iterator[Connection]:
        """Begin a transaction that is cut off at a time of the monotonic clock."""
        if end == math.inf:
            with self.engine.begin() as connection:
                yield connection
            return
        with self._watchdog.transaction(end - time.monotonic()) as connection:
            milliseconds = int((end - time.monotonic() - _TO_CANCEL_SECONDS) * 1000)
            connection.exec_driver_sql(_LIMIT, (str(max(1, milliseconds)),))
            yield connection
