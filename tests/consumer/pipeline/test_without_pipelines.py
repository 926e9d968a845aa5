"""The drain without pipelines: PENSTOCK_PIPELINES=false, and a libpq that has none."""

from collections.abc import Iterator
from typing import Any

import pytest
from psycopg import capabilities
from sqlalchemy import Engine, event

from penstock.consumer import Drain
from penstock.database import make_engine
from penstock.settings import Settings
from penstock.testing import MemoryQueue, sqs_event
from tests.support.consumers import Seen, clean, deliver, every_mode, tables
from tests.support.cuts import BATCHES, BEFORE, POISON
from tests.support.modes import Adjusted, outcomes
from tests.support.no_pipelines import refuse_pipelines, without_pipelines


@pytest.fixture
def far(database_url: str) -> Iterator[Engine]:
    """An engine whose connections are cut if they send a statement ahead of an answer."""
    with without_pipelines(database_url) as url:
        far = make_engine(url, pre_ping=False)
        yield far
        far.dispose()


def drain_through(engine: Engine, far: Engine, *, pipelines: bool) -> tuple[Drain, MemoryQueue]:
    """Make a drain of every mode that writes through `far`, and its dead-letter queue; empty its tables."""
    drain, dead = every_mode(engine)
    clean(engine)
    return drain.using(Settings(pipelines=pipelines), engine=far, queue=MemoryQueue(), dead_letters=dead), dead


def written(engine: Engine, batch: str, far: Engine, *, pipelines: bool = True) -> tuple[Any, ...]:
    """Drain a batch, and again with all its duplicates; return everything that is left."""
    drain, dead = drain_through(engine, far, pipelines=pipelines)
    records = sqs_event(BATCHES[batch])["Records"]
    for part in (sqs_event(BEFORE)["Records"], records, records):
        assert deliver(drain, part) == []
    return tables(engine), outcomes(engine), {letter["id"] for letter in dead.bodies}


@pytest.mark.parametrize("batch", BATCHES)
def test_without_pipelines_the_drain_writes_the_same(engine: Engine, far: Engine, batch: str) -> None:
    """With the setting each statement waits for its answer, and the same rows and dead letters are left."""
    expected = written(engine, batch, engine)
    connected: list[object] = []
    event.listen(far, "connect", lambda *call: connected.append(call))
    assert written(engine, batch, far, pipelines=False) == expected
    assert len(connected) == 1, "no connection was cut"
    assert len(expected[2]) == (len(POISON) if batch == "two bad" else 0)


def test_a_valid_batch_stays_on_the_fast_path(engine: Engine) -> None:
    """Without pipelines a batch of new, valid intents is not bisected: each kind is one statement."""
    drain, _ = drain_through(engine, engine, pipelines=False)
    statements: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *call: statements.append(call[2]))
    batch = [Seen(path="/"), Seen(path="/a"), Adjusted(sku="a", delta=1), Adjusted(sku="b", delta=1)]
    assert deliver(drain, sqs_event(batch)["Records"]) == []
    assert len(statements) == 4, "the holds, the settings, and one for each of two kinds"
    again = [Seen(path="/b"), Adjusted(sku="b", delta=1)]
    assert deliver(drain, sqs_event(again)["Records"]) == []
    assert len(statements) == 7, "the holds are known for some seconds"


@pytest.mark.parametrize("batch", BATCHES)
def test_a_pooler_that_cuts_pipelines_costs_a_connection(engine: Engine, far: Engine, batch: str) -> None:
    """Without the setting, a pooler that cuts pipelines stops no batch, and nothing is dead-lettered for it."""
    expected = written(engine, batch, engine)
    assert written(engine, batch, far) == expected


def test_an_older_libpq_has_no_pipelines(engine: Engine, far: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a libpq before 14, the drain writes all the same, without a setting."""
    expected = written(engine, "all well", engine)
    monkeypatch.setattr(capabilities, "has_pipeline", refuse_pipelines)
    assert written(engine, "all well", far) == expected
