"""A Postgres server for tests, and databases on it that are cloned from a template."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, LiteralString
from uuid import uuid4

import psycopg
from psycopg import sql
from sqlalchemy import MetaData, make_url

from penstock.database.address import driver_url
from penstock.database.engine import make_engine
from penstock.database.migrate import upgrade
from penstock.local.postgres import Postgres
from penstock.settings import SettingsError

_FIRST_WITH_STRATEGY: Final = 150_000
VARIABLE: Final = "PENSTOCK_TEST_DATABASE_URL"
FAST: Final = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
"""Settings of a server whose data may be lost."""


class TemplateDatabase:
    """A database with all tables of a service, which is cloned for each test."""

    def __init__(self, server_url: str, tables: MetaData | Path | None) -> None:
        """Create the database, with the framework's tables and those of the service.

        Args:
            server_url: the URL of any database of the server, with a role that may create databases.
            tables: the service's tables, or the folder of its Alembic migrations; None if there are none.

        Raises:
            psycopg.Error: the server cannot be reached, or the role may not create a database.
            sqlalchemy.exc.SQLAlchemyError: the tables cannot be created.
        """
        self._server_url = server_url
        self._strategy = _clone_strategy(server_url)
        self._name = _new_name()
        self._execute("CREATE DATABASE {}", self._name)
        try:
            self._create_tables(tables)
        except BaseException:
            self.drop()
            raise

    @contextmanager
    def clone(self) -> Iterator[str]:
        """Make a database like the template, and return its URL. It is dropped in the end."""
        name = _new_name()
        self._execute(f"CREATE DATABASE {{}} TEMPLATE {{}} {self._strategy}", name, self._name)
        try:
            yield self._url(name)
        finally:
            self._execute("DROP DATABASE {} WITH (FORCE)", name)

    def drop(self) -> None:
        """Drop the template."""
        self._execute("DROP DATABASE {} WITH (FORCE)", self._name)

    def _create_tables(self, tables: MetaData | Path | None) -> None:
        url = self._url(self._name)
        upgrade(url, tables if isinstance(tables, Path) else None)
        if isinstance(tables, MetaData):
            engine = make_engine(url)
            try:
                tables.create_all(engine)
            finally:
                engine.dispose()

    def _url(self, name: str) -> str:
        return make_url(self._server_url).set(database=name).render_as_string(hide_password=False)

    def _execute(self, statement: LiteralString, *names: str) -> None:
        with psycopg.connect(self._server_url, autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


def _clone_strategy(server_url: str) -> LiteralString:
    """Return the end of the statement that clones a database.

    To copy files takes half as long as to log each page, but needs a checkpoint, which is slow on a server that
    waits for its disk (CREATE DATABASE: STRATEGY). Before version 15 there was no other way.
    """
    with psycopg.connect(server_url, autocommit=True) as connection:
        waits = connection.execute("SHOW fsync").fetchone() != ("off",)
        return "" if waits or connection.info.server_version < _FIRST_WITH_STRATEGY else "STRATEGY file_copy"


@contextmanager
def server() -> Iterator[str]:
    """Return the URL of a server: that of `PENSTOCK_TEST_DATABASE_URL`, or of an embedded one that is started.

    Raises:
        penstock.settings.SettingsError: the variable is no Postgres URL, or its server does not accept the login.
        penstock.local.errors.LocalError: the embedded server does not start.
    """
    if url := os.environ.get(VARIABLE, "").strip():
        _check(url)
        yield url
        return
    # Not a folder of pytest's: as root, Postgres runs as another user, who may not read those.
    folder = Path(tempfile.mkdtemp(prefix="penstock-test-"))
    embedded = Postgres(folder, settings=FAST)
    try:
        embedded.start()
        yield embedded.url()
    finally:
        embedded.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _check(url: str) -> None:
    try:
        password = driver_url(url).password
        psycopg.connect(url, connect_timeout=5).close()
    except (SettingsError, psycopg.Error) as error:
        cause = (
            str(error).replace(password, "***") if isinstance(error, psycopg.Error) and password else str(error)
        )
        raise SettingsError(
            f"{VARIABLE}: {cause}. Set it to a server on which its role may create databases, or unset it: then "
            "an embedded server is started"
        ) from None


def _new_name() -> str:
    return f"penstock_test_{uuid4().hex}"
