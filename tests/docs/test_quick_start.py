"""The quick start does what it says: its files are a project whose tests pass."""

from pathlib import Path

from penstock.local.postgres import Postgres
from tests.support.foreign import run_pytest
from tests.support.snippets import snippets

FILES = {one.file: one.code for one in snippets("python") if one.page == "docs/quick-start.md" and one.file}


def test_the_project_of_the_page_passes_outside_the_checkout(tmp_path: Path, postgres: Postgres) -> None:
    """The files of the page, word for word in an empty folder, are a service whose tests pass."""
    assert list(FILES) == [
        "shared/intents.py",
        "producer/stock.py",
        "consumer/tables.py",
        "consumer/writes.py",
        "conftest.py",
        "test_stock.py",
    ]
    done = run_pytest(tmp_path, FILES, PENSTOCK_TEST_DATABASE_URL=postgres.url())
    assert (done.returncode, done.stdout.splitlines()[-1][:8]) == (0, "2 passed"), done.stdout + done.stderr
