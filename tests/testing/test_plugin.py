"""The pytest plugin, in projects outside the checkout."""

from importlib.metadata import entry_points, requires
from pathlib import Path

import psycopg

from penstock.local.postgres import Postgres
from tests.support.foreign import run_pytest
from tests.support.project import ROOT

HEAVY = {"alembic", "aws_lambda_powertools", "boto3", "hypothesis", "psycopg", "pydantic", "sqlalchemy"}

USES_A_DATABASE = "def test_it(penstock_engine): penstock_engine.connect().close()"

USES_MIGRATIONS = """
from pathlib import Path
import pytest
from sqlalchemy import inspect

@pytest.fixture(scope="session")
def penstock_tables():
    return Path("migrations")

def test_it(penstock_engine):
    assert "page_views" in inspect(penstock_engine).get_table_names()
"""

FILLS = """
import pytest
from sqlalchemy import Column, Integer, MetaData, Table, insert, select

metadata = MetaData()
numbers = Table("numbers", metadata, Column("n", Integer))

@pytest.fixture(scope="session")
def penstock_tables():
    return metadata

@pytest.mark.parametrize("n", [1, 2])
def test_it(penstock_engine, n):
    with penstock_engine.begin() as connection:
        connection.execute(insert(numbers).values(n=n))
        assert connection.scalars(select(numbers.c.n)).all() == [n]
"""


def test_pytest_finds_the_plugin_by_itself() -> None:
    """The distribution names the plugin, and pytest and Hypothesis are needed by the extra `testing` only."""
    (found,) = entry_points(group="pytest11", name="penstock")
    assert found.value == "penstock.testing.plugin"
    needed = [line for line in requires("penstock-postgres") or [] if line.startswith(("pytest", "hypothesis"))]
    assert len(needed) == 2
    assert all('extra == "testing"' in line.replace("'", '"') for line in needed)


def test_a_project_that_does_not_use_it_is_left_alone(tmp_path: Path) -> None:
    """With the plugin loaded, a project's test sees none of the libraries that its fixtures need."""
    test = f"import sys\ndef test_it(): assert {HEAVY!r}.isdisjoint(sys.modules)"
    done = run_pytest(tmp_path, {"test_it.py": test})
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_test_has_its_own_database(tmp_path: Path, postgres: Postgres) -> None:
    """A test does not see the rows of another, and no database of the run is left on the server."""
    before = databases(postgres)
    done = run_pytest(tmp_path, {"test_it.py": FILLS}, PENSTOCK_TEST_DATABASE_URL=postgres.url())
    assert done.returncode == 0, done.stdout
    assert databases(postgres) == before


def databases(postgres: Postgres) -> list[tuple[str]]:
    """Return the names of the databases of a server."""
    with psycopg.connect(postgres.url()) as connection:
        return connection.execute("SELECT datname FROM pg_database ORDER BY datname").fetchall()


def test_a_folder_of_migrations_makes_the_tables(tmp_path: Path, postgres: Postgres) -> None:
    """A relative folder of Alembic migrations starts at the root folder of pytest."""
    (tmp_path / "migrations").symlink_to(ROOT / "infra" / "migrations")
    done = run_pytest(tmp_path, {"test_it.py": USES_MIGRATIONS}, PENSTOCK_TEST_DATABASE_URL=postgres.url())
    assert done.returncode == 0, done.stdout


def test_a_server_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    """The failure names the variable and what to do, without a traceback and without the password."""
    url = "postgresql://me:hunter2@127.0.0.1:1/nothing"
    done = run_pytest(tmp_path, {"test_it.py": USES_A_DATABASE}, PENSTOCK_TEST_DATABASE_URL=url)
    assert done.returncode == 1
    assert "PENSTOCK_TEST_DATABASE_URL: connection" in done.stdout
    assert "or unset it" in done.stdout
    assert "hunter2" not in done.stdout
    assert "Traceback" not in done.stdout
    assert "database.py" not in done.stdout


def test_a_missing_extra_is_named(tmp_path: Path) -> None:
    """Without the packages of the extra, the failure names the package and the extra."""
    test = f"import sys\nsys.modules['psutil'] = None\n{USES_A_DATABASE}"
    done = run_pytest(tmp_path, {"test_it.py": test})
    assert done.returncode == 1
    assert "psutil is not installed: install Penstock with its extra `testing`" in done.stdout
    assert "plugin.py" not in done.stdout
