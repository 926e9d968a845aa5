"""A connection that the server terminates once, at a certain statement."""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine, event

from penstock.consumer.pipeline.trip import Trip
from tests.support.statements import watch_trips


class CutOnce:
    """Lets the server terminate the connection once, before or after a statement or COMMIT."""

    def __init__(self, engine: Engine, step: str, moment: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.done = False
        self._url = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
        if step == "COMMIT":
            monkeypatch.setattr(engine.dialect, "do_commit", self._commit_cut(engine.dialect.do_commit, moment))
        else:
            event.listen(engine, f"{moment}_cursor_execute", self._statement_cut(step))
        watch_trips(engine, lambda trip, text: self._around(trip, step in text, moment))

    def _around(self, trip: Trip, reached: bool, moment: str) -> Callable[[], None] | None:
        connection = trip._connection.connection.driver_connection
        if reached and moment == "before" and not self.done:
            trip.wait()
            self._cut(connection)

        def after() -> None:
            trip.wait()
            self._cut(connection)
            trip.send(b"SELECT 'for the answer, which never comes'")

        return after if reached and moment == "after" and not self.done else None

    def _statement_cut(self, step: str) -> Callable[..., None]:
        def cut(_connection: Any, cursor: Any, statement: str, *_rest: Any) -> None:
            if step in statement:
                self._cut(cursor.connection)

        return cut

    def _commit_cut(self, commit: Callable[[Any], None], moment: str) -> Callable[[Any], None]:
        def cut(connection: Any) -> None:
            if moment == "before":
                self._cut(connection)
            commit(connection)
            if moment == "after" and not self.done:
                self._cut(connection)
                connection.cursor().execute("SELECT 'for the answer to COMMIT, which never comes'")

        return cut

    def _cut(self, connection: Any) -> None:
        if not self.done:
            self.done = True
            with psycopg.connect(self._url, autocommit=True) as other:
                other.execute(
                    "SELECT pg_terminate_backend(%s, 5000)",
                    [getattr(connection, "dbapi_connection", connection).info.backend_pid],
                )
