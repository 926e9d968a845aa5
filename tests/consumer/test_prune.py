"""The scheduled function that prunes the ledger and the tombstones."""

import json
import logging

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from penstock.consumer import Prune
from penstock.database.retention import POSTPONED, ROTATED
from penstock.settings import Settings
from penstock.testing import LambdaContext
from tests.support.retention import A_MONTH_LATER, MONTH, NOWHERE, Bench, create_bench, in_use, insert_tombstones


@pytest.fixture
def bench(engine: Engine) -> Bench:
    return create_bench(engine)


def test_a_run_is_logged(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """A run logs one line with its statistics, and returns the same."""
    caplog.set_level(logging.INFO, "penstock.consumer.prune")
    insert_tombstones(bench, 3, MONTH + 1)
    bench.run(A_MONTH_LATER)
    answer = Prune(engine=bench.engine).handler({}, LambdaContext())
    assert json.loads(json.dumps(answer)).items() >= {"rotation": ROTATED, "tombstones": 3}.items()
    (line,) = [record for record in caplog.records if record.name == "penstock.consumer.prune"]
    assert vars(line).items() >= {"action": "pruned", **answer}.items()


def test_a_postponed_rotation_is_a_warning(
    bench: Bench, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A run that could not lock the ledger logs a warning and succeeds; the next run tries again."""
    bench.run(A_MONTH_LATER)
    with in_use(database_url):
        answer = Prune(engine=bench.engine).handler({}, LambdaContext(9))
    assert answer["rotation"] == POSTPONED
    (line,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert vars(line)["action"] == "rotation_postponed"


def test_a_failed_run_raises(caplog: pytest.LogCaptureFixture) -> None:
    """Without its database it logs the cause as an error, and raises, so that the alarm is triggered."""
    with pytest.raises(DBAPIError):
        Prune(Settings(database_url=NOWHERE)).handler({}, LambdaContext())
    (line,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert vars(line)["action"] == "prune_failed"
    assert "hunter2" not in str(vars(line))
