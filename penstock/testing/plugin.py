"""Fixtures for the tests of a service. Pytest loads this module by itself (entry point `pytest11`).

Nothing of Penstock is imported before a fixture is used. A service overrides two fixtures in its conftest.py where
the defaults do not fit: `penstock_tables` and `penstock_queue`.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from sqlalchemy import Engine, MetaData

    from penstock.testing import Convergence, Emitted, MemoryQueue, QueueDrain
    from penstock.testing.database import TemplateDatabase


@pytest.fixture(scope="session")
def penstock_tables() -> "MetaData | Path | None":
    """The service's tables: SQLAlchemy metadata, or the folder of Alembic migrations. Override it."""
    return None


@pytest.fixture(scope="session")
def penstock_template(
    penstock_tables: "MetaData | Path | None", pytestconfig: pytest.Config
) -> "Iterator[TemplateDatabase]":
    """The database that each test gets a clone of.

    It is on the server that PENSTOCK_TEST_DATABASE_URL names, or else on an embedded one, which is started.
    """
    with ExitStack() as stack:
        with _explained():
            from penstock.testing.database import TemplateDatabase, server  # noqa: PLC0415

            url = stack.enter_context(server())
        if isinstance(penstock_tables, Path):
            penstock_tables = pytestconfig.rootpath / penstock_tables
        template = TemplateDatabase(url, penstock_tables)
        stack.callback(template.drop)
        yield template


@pytest.fixture
def penstock_database_url(penstock_template: "TemplateDatabase") -> Iterator[str]:
    """The URL of a database of this test's own, with the framework's and the service's tables."""
    with penstock_template.clone() as url:
        yield url


@pytest.fixture
def penstock_engine(penstock_database_url: str) -> "Iterator[Engine]":
    """A SQLAlchemy engine of this test's database."""
    from penstock.database import make_engine  # noqa: PLC0415

    engine = make_engine(penstock_database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def penstock_queue() -> "MemoryQueue":
    """The queue in memory that is emitted to. A service with a FIFO queue overrides it."""
    from penstock.testing import MemoryQueue  # noqa: PLC0415

    return MemoryQueue()


@pytest.fixture
def penstock_emitted(penstock_queue: "MemoryQueue") -> "Iterator[Emitted]":
    """What the test emits: `penstock.emit`, `emit_many` and `HttpApi` emit to the queue in memory."""
    from penstock.testing import Emitted  # noqa: PLC0415

    emitted = Emitted(penstock_queue)
    with emitted.capture():
        yield emitted


@pytest.fixture
def penstock_drained(penstock_emitted: "Emitted", penstock_database_url: str) -> "Iterator[QueueDrain]":
    """Drains the queue in memory into this test's database: `penstock_drained(drain).rows(table)`."""
    from penstock.testing import QueueDrain  # noqa: PLC0415

    drained = QueueDrain(penstock_emitted, penstock_database_url)
    yield drained
    drained.close()


@pytest.fixture
def penstock_converges(penstock_database_url: str) -> "Convergence":
    """Checks that order, repetitions and batches do not matter: `penstock_converges(drain, intents)`."""
    from penstock.testing import Convergence  # noqa: PLC0415

    return Convergence(penstock_database_url)


@contextmanager
def _explained() -> Iterator[None]:
    """Fail without a traceback where the cause is the machine, not the test."""
    __tracebackhide__ = True
    try:
        yield
    except ModuleNotFoundError as error:
        pytest.fail(f"{error.name} is not installed: install Penstock with its extra `testing`", pytrace=False)
    except Exception as error:
        from penstock.local.errors import LocalError  # noqa: PLC0415
        from penstock.settings import SettingsError  # noqa: PLC0415

        if isinstance(error, LocalError | SettingsError):
            pytest.fail(str(error), pytrace=False)
        raise
