"""A database with the tables that a drain writes to."""

import pytest
from sqlalchemy import Engine

from tests.support.schema_check import create_tables


@pytest.fixture
def made(engine: Engine) -> Engine:
    """A database with all the tables."""
    create_tables(engine)
    return engine
