"""Connections that the server terminates at a certain statement."""

from collections.abc import Callable
from functools import partial
from typing import Any

import psycopg
from sqlalchemy import Engine

from penstock import WriteIntent
from penstock.consumer import Drain
from penstock.consumer.pipeline.trip import Trip
from penstock.testing import sqs_event
from tests.support.consumers import Counted, Seen, clean, deliver, stepped
from tests.support.modes import Adjusted, Mailed, changed, placed, removed
from tests.support.statements import watch_trips

BEFORE = [placed(5, "newer"), changed(5, "newer", number=2), placed(1, number=3), Adjusted(sku="a", delta=1)]


POISON = [Adjusted(sku="a", delta=2**40), stepped(7, "poison", changes=1000)]


STALE = [placed(4, "older"), changed(4, "older", number=2), removed(3, number=3), placed(2, number=3)]


FRESH = [
    Seen(path="/"),
    placed(6, number=2),
    changed(1, number=1),
    removed(9, number=3),
    placed(8, number=3),
    Adjusted(sku="a", delta=2),
    Adjusted(sku="b", delta=-1),
    Counted(name="a"),
    Counted(name="b"),
    Mailed(what="news"),
    stepped(2, number=1),
    stepped(9, "done", number=2),
]


# A batch without a bad intent may take another path than one with a bad intent.
BATCHES: dict[str, list[WriteIntent]] = {
    "two bad": [*FRESH, *POISON, *STALE, *FRESH],
    "all well": [*FRESH, *STALE, *FRESH],
}


COMMIT = -1


class Cut:
    """Counts statements, including COMMIT, and lets the server terminate the connection before or after one."""

    def __init__(self, engine: Engine) -> None:
        self.count_to(None, "")
        self._url = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
        for name in ("do_execute", "do_executemany", "do_commit"):
            setattr(engine.dialect, name, partial(self._do, getattr(engine.dialect, name)))
        watch_trips(engine, self._around)

    def count_to(self, number: int | None, moment: str) -> None:
        """Start to count, and cut at the statement of that number, if any; `COMMIT` stands for the commit."""
        self.statements: list[str] = []
        self.done = False
        self._number, self._moment = number, moment

    def _do(self, do: Callable[..., None], target: Any, *statement: Any, **options: Any) -> None:
        connection = target.connection if statement else target.dbapi_connection
        self.statements.append(statement[0] if statement else "COMMIT")
        self._cut(connection, "before")
        try:
            do(target, *statement, **options)
        finally:
            cut = self._cut(connection, "after")
        if cut:
            connection.execute("SELECT 'for the answer, which never comes'")

    def _around(self, trip: Trip, statement: str) -> Callable[[], None]:
        """Cut a round trip before a statement, or after Postgres has executed it."""
        connection = trip._connection.connection.driver_connection
        self.statements.append(statement)
        if self._awaits("before"):
            self._wait_and_cut(trip, connection, "before")

        def after() -> None:
            if self._awaits("after"):
                self._wait_and_cut(trip, connection, "after")
                trip.send(b"SELECT 'for the answer, which never comes'")

        return after

    def _wait_and_cut(self, trip: Trip, connection: Any, moment: str) -> None:
        try:
            trip.wait()
        finally:
            # Even if Postgres has refused what was sent.
            self._cut(connection, moment)

    def _awaits(self, moment: str) -> bool:
        reached = {len(self.statements) - 1, COMMIT if self.statements[-1] == "COMMIT" else None}
        return not self.done and moment == self._moment and self._number in reached - {None}

    def _cut(self, connection: Any, moment: str) -> bool:
        if not self._awaits(moment):
            return False
        self.done = True
        with psycopg.connect(self._url, autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s, 5000)", [connection.info.backend_pid])
        return True


def begin_again(engine: Engine, drain: Drain, cut: Cut, number: int | None, moment: str) -> None:
    """Leave nothing in the tables but what was there before, and cut at a statement; see `Cut.count_to`."""
    clean(engine)
    assert deliver(drain, sqs_event(BEFORE)["Records"]) == []
    cut.count_to(number, moment)
