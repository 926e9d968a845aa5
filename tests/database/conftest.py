"""Drains on one database, whose ledger and tombstones are pruned."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Engine

from penstock.database import make_engine
from tests.support.retention import Bench, create_bench


@pytest.fixture
def bench(engine: Engine) -> Bench:
    return create_bench(engine)


@pytest.fixture
def another(database_url: str) -> Iterator[Callable[..., Bench]]:
    """Make more benches on the same database, each with its own connection."""
    made: list[Engine] = []

    def make(**options: Any) -> Bench:
        made.append(make_engine(database_url, **options))
        return Bench(made[-1])

    yield make
    for engine in made:
        engine.dispose()
