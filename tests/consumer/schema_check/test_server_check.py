"""The encoding of the database, and a pooler before it."""

from typing import Any

import pytest
from psycopg import capabilities
from sqlalchemy import Engine, text

from penstock.database import make_engine
from penstock.database.migrate import upgrade
from penstock.testing import LambdaContext, sqs_event
from tests.support.modes import Bench, Mailed, outcomes, placed
from tests.support.no_pipelines import refuse_pipelines, without_pipelines
from tests.support.pgbouncer import PROGRAMS, pgbouncer, run_pgbouncer
from tests.support.schema_check import FAULT, NOTE, WARNING, check
from tests.support.servers import postgres_15


@pytest.mark.parametrize(
    ("encoding", "text_", "lacks", "problem"),
    [
        ("LATIN1", "caf\u00e9", "\u65e5", "lacks most characters"),
        ("WIN1252", "\u20ac", "\u65e5", "lacks most characters"),
        ("EUC_JP", "\u65e5\u672c", "\U0001f600", "U+00A6"),
        ("SQL_ASCII", "\u65e5\u00e9", None, "has no encoding"),
    ],
)
def test_a_database_of_another_encoding(encoding: str, text_: str, lacks: str | None, problem: str) -> None:
    """What the encoding has lands, what it lacks is dead-lettered alone, and the check says so."""
    with postgres_15(encoding=encoding) as url:
        upgrade(url)
        engine = make_engine(url)
        bench = Bench(engine)
        good: list[Any] = [placed(1, text_), Mailed(what=text_)]
        bad: list[Any] = [placed(1, lacks, 2), Mailed(what=lacks)] if lacks else []
        for _ in range(2):
            answer = bench.drain.handler(sqs_event([*good, *bad]), LambdaContext())
            assert answer == {"batchItemFailures": []}
        known = outcomes(engine)
        assert [known[one.intent_id] for one in good + bad] == ["applied"] * len(good) + ["dead"] * len(bad)
        with engine.connect() as connection:
            query = text('SELECT customer FROM "Our Orders" UNION ALL SELECT what FROM our_outbox')
            assert connection.execute(query).scalars().all() == [text_, text_]
        (finding,) = _of_database(engine, bench)
        assert finding.severity == WARNING
        assert problem in finding.problem
        engine.dispose()


def test_the_check_works_through_a_pooler() -> None:
    """Through a pooler in transaction mode the check finds what it finds without, and has a note with advice."""
    with postgres_15() as url:
        upgrade(url)
        with pgbouncer(url) as pooled:
            engine = make_engine(pooled)
            bench = Bench(engine)
            (note,) = _of_database(engine, bench)
            assert (note.severity, note.kind) == (NOTE, None)
            assert "a pooler is between" in note.problem
            assert "not for a statement" in (note.hint or "")
            with engine.begin() as connection:
                connection.execute(text('DROP TABLE "Our Stock"'))
            faults = [one for one in check(engine, bench.drain) if one.severity == FAULT]
            assert [one.kind for one in faults] == ["adjusted"]
            engine.dispose()
        direct = make_engine(url)
        assert _of_database(direct, bench) == []
        direct.dispose()


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_pooler_that_refuses_transactions_is_named(program: str, made: Engine, database_url: str) -> None:
    """In statement mode PgBouncer refuses BEGIN: the check says that this is the fault, and the way out."""
    with run_pgbouncer(database_url, program=program, pool_mode="statement") as pooler:
        engine = make_engine(pooler.url)
        (finding,) = check(engine)
        engine.dispose()
    assert (finding.severity, finding.kind) == (FAULT, None)
    assert "pool_mode = statement" in finding.problem
    assert "set pool_mode to transaction" in (finding.hint or "")


def test_a_pooler_that_breaks_pipelines_is_found(
    made: Engine, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check sends a statement ahead of an answer, and names the setting for a pooler that cuts this."""
    assert check(made) == []
    with without_pipelines(database_url) as url:
        engine = make_engine(url)
        (finding,) = check(engine)
        monkeypatch.setattr(capabilities, "has_pipeline", refuse_pipelines)
        assert check(engine) == [], "with a libpq that sends none"
        engine.dispose()
    assert (finding.severity, finding.kind) == (WARNING, None)
    assert "PENSTOCK_PIPELINES=false" in (finding.hint or "")


def _of_database(engine: Engine, bench: Bench) -> list[Any]:
    return [finding for finding in check(engine, bench.drain) if finding.kind is None]
