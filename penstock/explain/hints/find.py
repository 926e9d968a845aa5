"""All hints about a kind, each once."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache

from sqlalchemy import Connection, Engine, text

from penstock.consumer.modes.base import Bound
from penstock.database.watchdog import Watchdog
from penstock.explain.capture import Statement
from penstock.explain.hints.catalog import TableFacts, read_facts
from penstock.explain.hints.hint import Hint
from penstock.explain.hints.of_plan import plan_hints
from penstock.explain.hints.of_tables import deferred_hints, side_effects, table_hints
from penstock.explain.run import Explanation

_LIMITS = text(
    "SELECT pg_catalog.set_config('statement_timeout', '5s', true),"
    " pg_catalog.set_config('lock_timeout', '1s', true)"
)


def find_hints(engine: Engine, bound: Bound, found: Explanation, *, seconds: float) -> list[Hint]:
    """Return the hints of the tables of a kind, and of the plans of its statements.

    Args:
        engine: of the database.
        bound: the kind.
        found: its statements, with their plans.
        seconds: how long it may take, with connecting.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the catalogs cannot be read.
    """
    with _catalogs(engine, seconds) as connection:
        hints = [
            *table_hints(connection, bound),
            *(deferred_hints(connection, bound, found.deferred_ms) if found.analyzed else ()),
            *_hints_of_plans(connection, found.statements),
        ]
    # A statement may scan a table several times, and several statements the same one.
    return list(dict.fromkeys(hints))


def find_side_effects(engine: Engine, bound: Bound, *, seconds: float) -> list[str]:
    """Return what executing the statements of a kind does besides writing rows, in sentences.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the catalogs cannot be read.
    """
    with _catalogs(engine, seconds) as connection:
        return list(dict.fromkeys(side_effects(connection, bound)))


@contextmanager
def _catalogs(engine: Engine, seconds: float) -> Iterator[Connection]:
    """Give a connection to read catalogs with: in a transaction that ends in time, and changes nothing."""
    reading = engine.execution_options(postgresql_readonly=True)
    with Watchdog(reading).rolled_back(seconds) as connection:
        connection.execute(_LIMITS)
        yield connection


def _hints_of_plans(connection: Connection, statements: Sequence[Statement]) -> Iterator[Hint]:
    @cache
    def facts(schema: str, name: str) -> TableFacts | None:
        return read_facts(connection, schema, name)

    for statement in statements:
        if statement.plan is not None and statement.plan.execution_ms is not None:
            yield from plan_hints(statement.plan, facts)
