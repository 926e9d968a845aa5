"""A server with few connections, for the managed engine."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import psycopg

from penstock.local.postgres import Postgres
from penstock.local.processes import LOOPBACK, wait_until
from penstock.testing import LambdaContext
from penstock.testing.database import FAST
from tests.support.folders import server_folder
from tests.support.servers import postgres_15

GRANTED = 10
_ROLE = "shop"
_PASSWORD = "open-sesame"


class FewConnections:
    """A server that grants ten connections to a role that is no superuser."""

    def __init__(self, admin_url: str) -> None:
        self.admin_url = admin_url
        self.url = f"postgresql://{_ROLE}:{_PASSWORD}@{LOOPBACK}:{urlsplit(admin_url).port}/postgres"
        with psycopg.connect(self.admin_url, autocommit=True) as admin:
            admin.execute(f"CREATE ROLE {_ROLE} LOGIN PASSWORD '{_PASSWORD}'")
            admin.execute(f"GRANT CREATE ON SCHEMA public TO {_ROLE}")

    def sessions(self) -> list[tuple[int, str, str]]:
        """Return the role's sessions: process, application_name, state."""
        with psycopg.connect(self.admin_url) as admin:
            query = "SELECT pid, application_name, state FROM pg_stat_activity WHERE usename = %s ORDER BY pid"
            return admin.execute(query, [_ROLE]).fetchall()

    def wait_for_sessions(self, count: int) -> None:
        """Wait until the role has so many sessions: a server process ends after its connection."""
        assert wait_until(lambda: len(self.sessions()) == count, 10), self.sessions()

    @contextmanager
    def occupied(self, count: int) -> Iterator[list[psycopg.Connection[Any]]]:
        """Hold so many connections of the role, as others do."""
        held = [psycopg.connect(self.url, application_name="other", autocommit=True) for _ in range(count)]
        try:
            yield held
        finally:
            for one in held:
                with suppress(psycopg.Error):
                    one.close()


@contextmanager
def few_connections(version: int) -> Iterator[FewConnections]:
    """Run such a server: the embedded one, or PostgreSQL 15."""
    with _FROM[version]() as admin_url:
        yield FewConnections(admin_url)


@contextmanager
def _embedded() -> Iterator[str]:
    folder = server_folder()
    server = Postgres(folder, settings=FAST | _SETTINGS)
    try:
        server.start()
        yield server.url()
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


_SETTINGS = {"max_connections": str(GRANTED + 3), "superuser_reserved_connections": "3"}
_FROM: dict[int, Callable[[], AbstractContextManager[str]]] = {
    18: _embedded,
    15: partial(postgres_15, settings=_SETTINGS),
}


def invocation(seconds: float = 30) -> LambdaContext:
    """Return the context of an invocation with that much time left."""
    return LambdaContext(seconds=seconds)
