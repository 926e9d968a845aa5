"""Fixtures of the tests of the command line."""

from uuid import uuid4

import psycopg
import pytest

from penstock.local.postgres import Postgres


@pytest.fixture
def empty_database(postgres: Postgres) -> str:
    """Make an empty database and return its URL."""
    name = f"empty_{uuid4().hex}"
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
    return postgres.url(name)
