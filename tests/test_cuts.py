"""The connection is cut at every statement of a batch of all write modes, COMMIT included."""

from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import Engine

from penstock import WriteIntent
from penstock.testing import sqs_event
from tests.test_concurrency import TABLES, Counted, Seen, clean, deliver, deliver_all, every_mode, tables
from tests.test_modes import Adjusted, Mailed, changed, outcomes, placed, removed

BEFORE = [placed(5, "newer"), changed(5, "newer", number=2), placed(1, number=3), Adjusted(sku="a", delta=1)]
POISON = Adjusted(sku="a", delta=2**40)
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
]
# A batch in which all is well may take another way than one with a bad intent in it.
BATCHES: dict[str, list[WriteIntent]] = {
    "one bad": [*FRESH, POISON, *STALE, *FRESH],
    "all well": [*FRESH, *STALE, *FRESH],
}


COMMIT = -1


class Cut:
    """Counts statements, COMMIT among them, and has the server end the connection before or after one."""

    def __init__(self, engine: Engine) -> None:
        self.count_to(None, "")
        self._url = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
        for name in ("do_execute", "do_executemany", "do_commit"):
            setattr(engine.dialect, name, partial(self._do, getattr(engine.dialect, name)))

    def count_to(self, number: int | None, moment: str) -> None:
        """Count anew, and cut at that statement, if any; at COMMIT, wherever that comes, if it is the one."""
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

    def _cut(self, connection: Any, moment: str) -> bool:
        reached = {len(self.statements) - 1, COMMIT if self.statements[-1] == "COMMIT" else None}
        if self.done or moment != self._moment or self._number not in reached - {None}:
            return False
        self.done = True
        with psycopg.connect(self._url, autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s, 5000)", [connection.info.backend_pid])
        return True


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_connection_cut_at_any_statement_loses_and_repeats_nothing(
    engine: Engine, moment: str, batch: str
) -> None:
    """Whichever statement the connection is cut at, what is delivered again takes effect once, in every mode."""
    drain, dead = every_mode(engine)
    cut = Cut(engine)
    records = sqs_event(BATCHES[batch])["Records"]
    poisoned = {POISON.intent_id} if POISON in BATCHES[batch] else set()

    def prepare(number: int | None) -> int:
        clean(engine)
        assert deliver(drain, sqs_event(BEFORE)["Records"]) == []
        cut.count_to(number, moment)
        return len(dead.messages)

    prepare(None)
    assert deliver(drain, records) == []
    statements = list(cut.statements)
    left, settled = tables(engine), outcomes(engine)
    # The batch has all that it should, and no statement of it escapes.
    assert {id_ for id_, outcome in settled.items() if outcome == "dead"} == poisoned
    assert [settled[intent.intent_id] for intent in STALE] == ["stale"] * len(STALE)
    assert all(any(table.name in statement for statement in statements) for table in TABLES)
    assert statements[-1] == "COMMIT"
    for number in [*range(len(statements) - 1), COMMIT]:
        letters = prepare(number)
        where = f"cut {moment} {number}: {statements[number]}"
        deliver_all(drain, records)
        # How many statements are sent before the answer to a bad one comes is not always the same.
        assert cut.done or len(cut.statements) <= number, where
        cut.count_to(None, "")
        # Once all is acknowledged it is there, before it is delivered once more.
        assert {UUID(letter["id"]) for letter in dead.bodies[letters:]} == poisoned, where
        assert (tables(engine), outcomes(engine)) == (left, settled), where
        assert deliver(drain, records) == []
        assert (tables(engine), outcomes(engine)) == (left, settled), where
        assert {UUID(letter["id"]) for letter in dead.bodies[letters:]} == poisoned, where
