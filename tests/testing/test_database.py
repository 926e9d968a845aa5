"""Databases that are cloned from a template."""

import shutil

import psycopg
import pytest

from penstock.local.postgres import Postgres
from penstock.testing.database import FAST, TemplateDatabase
from tests.support.folders import server_folder


@pytest.mark.server
@pytest.mark.parametrize("settings", [FAST, {}], ids=["fast", "durable"])
def test_a_clone_has_the_tables(settings: dict[str, str]) -> None:
    """A clone has the tables of the template and is dropped in the end, on a durable server too."""
    folder = server_folder()
    server = Postgres(folder, settings=settings)
    server.start()
    try:
        template = TemplateDatabase(server.url(), None)
        with template.clone() as url, psycopg.connect(url) as connection:
            assert connection.execute("SELECT count(*) FROM penstock.ledger").fetchone() == (0,)
            clone = connection.info.dbname
        with psycopg.connect(server.url()) as connection:
            left = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [clone]).fetchone()
        assert left is None
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)
