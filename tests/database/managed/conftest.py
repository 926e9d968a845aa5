"""A server with few connections, and instances of a function."""

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from penstock.database import ManagedEngine, managed_engine
from tests.support.managed import FewConnections, few_connections


@pytest.fixture(scope="session", params=[18, 15])
def few(request: pytest.FixtureRequest) -> Iterator[FewConnections]:
    """A server that grants ten connections, and three more to superusers."""
    with few_connections(request.param) as server:
        yield server


@pytest.fixture
def instance(few: FewConnections) -> Iterator[Callable[..., ManagedEngine]]:
    """Make managed engines, each as an instance of the function has one."""
    made: list[ManagedEngine] = []

    def make(url: str | None = None, **options: Any) -> ManagedEngine:
        short = {"base_seconds": 0.02, "cap_seconds": 1.0, "connect_seconds": 10.0}
        made.append(managed_engine(url or few.url, **short | options))
        return made[-1]

    yield make
    for one in made:
        one.close()
    few.wait_for_sessions(0)


@pytest.fixture
def admin(few: FewConnections) -> Iterator[psycopg.Connection[Any]]:
    """A connection of the superuser's, which has slots of its own."""
    with psycopg.connect(few.admin_url, autocommit=True) as connection:
        yield connection
