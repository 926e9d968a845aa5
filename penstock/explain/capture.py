"""The statements that a drain sends, caught on their way to Postgres, and explained there.

A statement of the fast path is replaced by its EXPLAIN ANALYZE, which executes it. Before any other one its
EXPLAIN ANALYZE is executed under a savepoint, and undone; then the statement itself.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import psycopg
from sqlalchemy import Connection, Engine, event

from penstock.consumer.faults.sqlstate import fault_of
from penstock.consumer.modes.base import Bound
from penstock.consumer.modes.custom import CustomWrite, Function
from penstock.consumer.modes.ledger_claims import SKIPPED_HERE
from penstock.consumer.pipeline.savepoint import Savepoint
from penstock.explain.masking import mask
from penstock.explain.plan import Plan
from penstock.explain.reading import read_plan

_ANALYZE: Final = "EXPLAIN (ANALYZE, BUFFERS, WAL, VERBOSE, FORMAT JSON) "
_PLAN_ONLY: Final = "EXPLAIN (VERBOSE, FORMAT JSON) "
_FUNCTION: Final = "the service's function"
_CLAIM: Final = "claim and write"
_CLAIMED: Final = f"SELECT 0, {SKIPPED_HERE}"
"""What gives the drain the result of that statement, except that no one asks what is stale."""
_PLANNED: Final = re.compile(
    r"(?:\s|--[^\n]*(?:\n|\Z)|/\*(?>.*?\*/)|\()*+(SELECT|INSERT|UPDATE|DELETE|MERGE|WITH|VALUES|TABLE)\b",
    re.I | re.S,
)
MOST_STATEMENTS: Final = 100
"""How many different statements are kept. A function may send any number of them."""


@dataclass(slots=True)
class Statement:
    """A statement that was explained.

    Attributes:
        does: what it does for the drain.
        table: the table that it writes, if it is a statement of a write mode.
        sql: its text. Constants are masked if it is a function's, whose text may contain values.
        executions: how often it was sent.
        explained: how many of these executions were explained: of those that are sent at once, the first.
        ms: how long the explained executions took together, in milliseconds.
        plan: the plan of the slowest execution; None if there is none.
        why_not: why there is no plan.
    """

    does: str
    table: str | None
    sql: str
    executions: int = 0
    explained: int = 0
    ms: float = 0
    plan: Plan | None = None
    why_not: str | None = None

    def add(self, plan: Plan) -> None:
        """Add an execution that was explained."""
        self.explained += 1
        self.ms += plan.execution_ms or 0
        if self.plan is None or (plan.execution_ms or 0) > (self.plan.execution_ms or 0):
            self.plan = plan


class Capture:
    """Explains the statements of one kind."""

    def __init__(self, bound: Bound, *, analyze: bool) -> None:
        """Take a kind that was bound for this purpose: its functions are watched from now on.

        Args:
            bound: the kind.
            analyze: whether statements are executed, and functions called; otherwise statements are only planned.
        """
        self.statements: list[Statement] = []
        self.left_out = 0
        self.function_calls = 0
        self._analyze = analyze
        self._known: dict[int, tuple[str, str | None]] = {}
        self._in_function = False
        for part in bound.parts:
            table = part.table.fullname if part.table is not None else None
            for does, statement in part.write.statements.items():
                self._known[id(statement)] = does, table
            if isinstance(part.write, CustomWrite):
                part.write.function = self._watched(part.write.function)

    @property
    def explains_function(self) -> bool:
        """Whether a statement of a function was caught."""
        return any(one.does == _FUNCTION for one in self.statements)

    def forget(self) -> None:
        """Forget what was seen so far: the transaction was rolled back, and another one begins."""
        self.statements.clear()
        self.left_out = 0

    @contextmanager
    def listening(self, engine: Engine) -> Iterator[None]:
        """Explain what is sent to an engine within the block."""
        listeners: dict[str, Callable[..., Any]] = {
            "do_execute": self._on_execute,
            "do_execute_no_params": lambda cursor, sql, context: self._on_execute(cursor, sql, None, context),
            "do_executemany": self._on_execute_many,
        }
        for name, listener in listeners.items():
            event.listen(engine, name, listener)
        try:
            yield
        finally:
            for name, listener in listeners.items():
                event.remove(engine, name, listener)

    def _watched(self, function: Function) -> Function:
        def watched(connection: Connection, intents: Sequence[Any]) -> None:
            self.function_calls += 1
            if not self._analyze:
                return
            self._in_function = True
            try:
                function(connection, intents)
            finally:
                self._in_function = False

        return watched

    def _on_execute(self, cursor: Any, sql: str, parameters: Any, context: Any) -> bool | None:
        """Explain a statement before it is executed; return True if that was its execution."""
        known = self._known.get(id(context.invoked_statement))
        if not known and not self._in_function:
            return None
        entry = self._entry(*(known or (_FUNCTION, None)), sql)
        entry.executions += 1
        if entry.does in {_CLAIM, "write"}:
            entry.add(self._explained(cursor, sql, parameters))
            if entry.does == _CLAIM:
                cursor.execute(_CLAIMED)
            return True
        self._explain_first(entry, cursor, sql, parameters, context)
        return None

    def _on_execute_many(self, cursor: Any, sql: str, many: Sequence[Any], context: Any) -> None:
        """Explain the first execution of a statement that a function sends with several sets of parameters."""
        if self._in_function and many:
            entry = self._entry(_FUNCTION, None, sql)
            entry.executions += len(many)
            self._explain_first(entry, cursor, sql, many[0], context)

    def _explain_first(self, entry: Statement, cursor: Any, sql: str, parameters: Any, context: Any) -> None:
        if not _PLANNED.match(sql):
            entry.why_not = "Postgres explains only SELECT, INSERT, UPDATE, DELETE and MERGE"
            return
        savepoint = Savepoint(context.root_connection)
        try:
            plan = self._explained(cursor, sql, parameters)
        except psycopg.Error as error:
            # The statement itself comes next, and the drain deals with its error.
            entry.why_not = f"Postgres refuses it: {fault_of(error).cause}"
        else:
            entry.add(plan)
        savepoint.roll_back()
        savepoint.close()

    def _explained(self, cursor: Any, sql: str, parameters: Any) -> Plan:
        with cursor.connection.cursor() as own:
            own.execute((_ANALYZE if self._analyze else _PLAN_ONLY) + sql, parameters)
            return read_plan(own.fetchone()[0])

    def _entry(self, does: str, table: str | None, sql: str) -> Statement:
        """Return the entry of a statement, which has one for all of its executions."""
        text = mask(sql) if does == _FUNCTION else sql
        for one in self.statements:
            if (one.does, one.table, one.sql) == (does, table, text):
                return one
        entry = Statement(does, table, text)
        if len(self.statements) < MOST_STATEMENTS:
            self.statements.append(entry)
        else:
            self.left_out += 1
        return entry
