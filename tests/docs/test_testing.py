"""The page about testing does what it says: its files are a project whose tests pytest runs."""

import re
from pathlib import Path

import pytest

from penstock.local.postgres import Postgres
from penstock.testing import plugin
from tests.support.foreign import run_pytest
from tests.support.project import ROOT

PAGE = (ROOT / "docs" / "testing.md").read_text()
FILES = dict(re.findall(r"\(`([\w/]+\.py)`\)[^`]*?(?:`[^`]+`[^`]*?)*```python\n(.*?)```", PAGE, re.DOTALL))
FIFO = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[3]
(FAILURE,) = re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)

FIFO_TEST = """
from penstock import emit
from shop import StockAdjusted, drain, stock

def test_fifo(penstock_emitted, penstock_drained):
    emit(StockAdjusted(sku="A1", delta=5), ordering_key="A1")
    assert penstock_emitted.queue.messages[0].group == "A1"
    assert penstock_drained(drain).rows(stock) == [{"sku": "A1", "quantity": 5}]
"""


@pytest.mark.server
@pytest.mark.slow
def test_the_project_of_the_page_passes_outside_the_checkout(tmp_path: Path) -> None:
    """The service of the page and its tests, word for word, pass on an embedded server, in an empty folder."""
    assert list(FILES) == ["shop.py", "conftest.py", "test_shop.py", "test_count.py", "test_any.py"]
    project = {name: text for name, text in FILES.items() if name != "test_count.py"}
    done = run_pytest(tmp_path, project, every_plugin=True)
    assert (done.returncode, done.stdout.splitlines()[-1][:8]) == (0, "6 passed"), done.stdout + done.stderr


@pytest.mark.slow
def test_the_wrong_binding_of_the_page_fails_as_it_shows(tmp_path: Path, postgres: Postgres) -> None:
    """The test of the wrong function fails, with the message of the page and without the framework's frames."""
    project = {name: FILES[name] for name in ("shop.py", "conftest.py", "test_count.py")}
    done = run_pytest(tmp_path, project, PENSTOCK_TEST_DATABASE_URL=postgres.url())
    shown = "\n".join(line[8:] for line in done.stdout.splitlines() if line.startswith("E   "))
    assert (done.returncode, shown) == (1, f"penstock.testing.convergence.{FAILURE.rstrip()}"), done.stdout
    assert "penstock/testing" not in done.stdout


def test_a_service_with_a_fifo_queue(tmp_path: Path, postgres: Postgres) -> None:
    """With the FIFO queue of the page, an intent is emitted with an ordering key and drained."""
    files = {"shop.py": FILES["shop.py"], "conftest.py": FILES["conftest.py"] + FIFO, "test_fifo.py": FIFO_TEST}
    done = run_pytest(tmp_path, files, PENSTOCK_TEST_DATABASE_URL=postgres.url())
    assert done.returncode == 0, done.stdout


def test_every_fixture_is_on_the_page() -> None:
    """The table names each fixture of the plugin and no other, and all of them begin with `penstock_`."""
    fixtures = {name for name, value in vars(plugin).items() if hasattr(value, "_fixture_function_marker")}
    assert set(re.findall(r"^\| `(penstock_\w+)`", PAGE, re.MULTILINE)) == fixtures
    assert len(fixtures) == 8
