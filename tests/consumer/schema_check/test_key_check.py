"""`penstock check` finds live columns that compare otherwise than they are declared."""

import pytest
from sqlalchemy import Column, Engine, Integer, MetaData, Table, Text, text

from penstock import WriteIntent
from penstock.consumer import Drain, Increment, Upsert
from penstock.consumer.schema_check.check import check_schema
from penstock.consumer.schema_check.finding import Severity
from penstock.testing import MemoryQueue

pairs = Table(
    "pairs", MetaData(), Column("k", Text, primary_key=True), Column("v", Text), Column("total", Integer)
)


class Paired(WriteIntent, kind="k.paired"):
    k: str
    v: str


class Counted(WriteIntent, kind="k.counted"):
    k: str
    total: int


@pytest.mark.parametrize(
    ("live", "column", "problem"),
    [
        (
            'k text PRIMARY KEY, v text COLLATE "C", total int',
            "v",
            "the column has the collation C, by which versions",
        ),
        ("k char(9) PRIMARY KEY, v text, total int", "k", "declared as TEXT and is character(9) in the database"),
        ("k text PRIMARY KEY, v text, total int DEFAULT 7", "total", "the column defaults to 7, so the order"),
    ],
)
def test_a_column_that_compares_otherwise_is_a_fault(engine: Engine, live: str, column: str, problem: str) -> None:
    """The check names the column whose type, collation or default makes the order of intents matter."""
    drain = Drain(engine=engine, queue=MemoryQueue(), dead_letters=MemoryQueue())
    drain.write(Paired, Upsert(pairs, key="k", version="v"))
    drain.write(Counted, Increment(pairs, key="k", add={"total": "total"}))
    with engine.begin() as connection:
        connection.execute(text(f"CREATE TABLE pairs ({live})"))
    found = [f for f in check_schema(engine, drain) if f.severity is Severity.FAULT and f.kind == "k.paired"]
    assert [(f.column, problem in f.problem) for f in found] == [(column, True)]
