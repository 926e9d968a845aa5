"""A database with ICU collations and citext, on Debian's PostgreSQL 15."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine, text

from penstock.database import make_engine
from penstock.database.migrate import upgrade
from tests.support.project import ROOT
from tests.support.servers import postgres_15

NO_CASE = "no_case"
"""A collation under which `a` equals `A`."""


@contextmanager
def icu_database() -> Iterator[Engine]:
    """Run the server; give an engine on a database with the framework's tables."""
    with postgres_15() as url:
        upgrade(url, ROOT / "infra" / "migrations")
        engine = make_engine(url)
        with engine.begin() as connection:
            connection.execute(text("CREATE EXTENSION citext"))
            connection.execute(
                text(
                    f"CREATE COLLATION {NO_CASE} "
                    "(provider = icu, locale = 'und-u-ks-level2', deterministic = false)"
                )
            )
        yield engine
        engine.dispose()
