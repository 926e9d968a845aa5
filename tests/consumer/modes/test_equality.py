"""Keys and versions are equal if the database calls them equal: declared, live, and behind triggers."""

import logging
from collections.abc import Iterator
from decimal import Decimal
from itertools import count
from typing import Any

import pytest
from pydantic import create_model
from sqlalchemy import (
    CHAR,
    JSON,
    Column,
    Engine,
    Integer,
    Interval,
    MetaData,
    Numeric,
    String,
    Table,
    Text,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import CITEXT, JSONB

from penstock import WriteIntent
from penstock.consumer import Delete, Drain, Increment, Upsert
from penstock.testing import LambdaContext, MemoryQueue, sqs_event
from tests.support.icu import NO_CASE, icu_database
from tests.support.modes import outcomes

_numbers = count()


@pytest.fixture(scope="module")
def icu() -> Iterator[Engine]:
    """A database with ICU collations and citext."""
    with icu_database() as engine:
        yield engine


class Pairs:
    """A table of keys and numbers, and a drain that puts, removes and adds."""

    def __init__(
        self,
        engine: Engine,
        key: Any,
        field: Any,
        *,
        live: str | None = None,
        version: Any = Integer,
        modes: str = "put gone",
    ) -> None:
        self.engine, number = engine, next(_numbers)
        self.table = Table(
            f"pairs_{number}",
            MetaData(),
            Column("k", key, primary_key=True),
            Column("n", Integer),
            Column("v", version),
        )
        self.table.create(engine)
        if live:
            self.run(f"ALTER TABLE {self.table.name} {live}")
        version_field: Any = str if version is not Integer else int
        self.put: Any = _kind(f"p.put{number}", k=field, n=int, v=version_field)
        self.gone: Any = _kind(f"p.gone{number}", k=field, v=version_field)
        self.add: Any = _kind(f"p.add{number}", k=field, n=int)
        self.drain = Drain(engine=engine, queue=MemoryQueue(), dead_letters=MemoryQueue())
        if "put" in modes:
            self.drain.write(self.put, Upsert(self.table, key="k", version="v"))
        if "gone" in modes:
            self.drain.write(self.gone, Delete(self.table, key="k", version="v"))
        if "add" in modes:
            self.drain.write(self.add, Increment(self.table, key="k", add={"n": "n"}))

    def run(self, sql: str) -> None:
        with self.engine.begin() as connection:
            connection.execute(text(sql))

    def __call__(self, *intents: WriteIntent) -> int:
        """Drain the intents in one batch; return how many are handed back."""
        return len(self.drain.handler(sqs_event(intents), LambdaContext())["batchItemFailures"])

    def rows(self) -> list[tuple[Any, ...]]:
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(select(self.table).order_by(self.table.c.n))]

    def outcomes(self, *intents: WriteIntent) -> list[str]:
        known = outcomes(self.engine)
        return [known[intent.intent_id] for intent in intents]


def _kind(kind: str, **fields: Any) -> type[WriteIntent]:
    made: Any = {name: (type_, ...) for name, type_ in fields.items()}
    return create_model("Kind", __base__=WriteIntent, __cls_kwargs__={"kind": kind}, **made)


Case = tuple[str, Any, Any, Any, Any]
EQUAL: list[Case] = [
    ("citext", CITEXT(), str, "Ab", "aB"),
    ("numeric", Numeric(), Decimal, Decimal("1.0"), Decimal("1.00")),
    ("interval", Interval(), str, "1 day", "24 hours"),
    ("negative interval", Interval(), str, "1 month -1 day", "29 days"),
    ("char", CHAR(5), str, "ab", "ab  "),
]
COLLATED: list[Case] = [
    ("text", Text(collation=NO_CASE), str, "Ab", "aB"),
    ("varchar", String(20, collation=NO_CASE), str, "Ab", "aB"),
]


def _name(case: Case) -> str:
    return case[0]


@pytest.mark.parametrize("case", [*EQUAL, *COLLATED], ids=_name)
def test_increments_of_equal_keys_add_up(icu: Engine, case: Case) -> None:
    """Increments whose keys the column calls equal are added to one row, in one batch and in several."""
    _, type_, field, one, other = case
    pairs = Pairs(icu, type_, field, modes="add")
    assert pairs(pairs.add(k=one, n=1), pairs.add(k=other, n=10)) == 0
    assert pairs(pairs.add(k=other, n=100), pairs.add(k=one, n=1000)) == 0
    assert [row[1] for row in pairs.rows()] == [1111]


@pytest.mark.parametrize("case", [*EQUAL, *COLLATED], ids=_name)
def test_the_newest_of_equal_keys_wins(icu: Engine, case: Case) -> None:
    """Upserts whose keys the column calls equal leave one row, and what was written is applied."""
    _, type_, field, one, other = case
    pairs = Pairs(icu, type_, field, modes="put")
    first, second, third = (pairs.put(k=k, n=n, v=n) for k, n in ((one, 1), (other, 2), (one, 3)))
    assert pairs(first, second) == 0
    assert pairs(third) == 0
    assert pairs.outcomes(first, second, third) == ["stale", "applied", "applied"]
    assert [row[1] for row in pairs.rows()] == [3]


@pytest.mark.parametrize("case", EQUAL, ids=_name)
def test_a_tombstone_counts_for_all_equal_keys(icu: Engine, case: Case) -> None:
    """A row that was deleted under one spelling of its key does not come back under another one."""
    _, type_, field, one, other = case
    pairs = Pairs(icu, type_, field)
    assert pairs(pairs.put(k=one, n=1, v=1)) == 0
    late = pairs.put(k=one, n=2, v=2)
    assert pairs(pairs.gone(k=other, v=3)) == 0
    assert pairs(late) == 0
    assert (pairs.rows(), pairs.outcomes(late)) == ([], ["stale"])


DIFFERENT: list[tuple[str, Any, Any, str, str, Any, Any]] = [
    ("key-collation-differs", Text(), Integer, f"ALTER k TYPE text COLLATE {NO_CASE}", "put", "Ab", 1),
    ("key-collation-differs", Text(), Integer, f"ALTER k TYPE text COLLATE {NO_CASE}", "add", "Ab", 1),
    ("column-type-differs", Text(), Integer, "ALTER k TYPE citext", "put", "Ab", 1),
    ("column-type-differs", Text(), Integer, "ALTER k TYPE char(9)", "put", "Ab", 1),
    ("column-type-differs", Text(), Integer, "ALTER n TYPE float8", "add", "Ab", 1),
    ("version-collation-differs", Text(), Text, 'ALTER v TYPE text COLLATE "de-x-icu"', "put", "Ab", "a"),
    ("collation-not-deterministic", Text(collation=NO_CASE), Integer, "ALTER n TYPE int", "put gone", "Ab", 1),
]


@pytest.mark.parametrize(("reason", "key", "version", "live", "modes", "k", "v"), DIFFERENT)
def test_a_live_column_that_compares_otherwise_is_found_out(
    icu: Engine,
    caplog: pytest.LogCaptureFixture,
    *,
    reason: str,
    key: Any,
    version: Any,
    live: str,
    modes: str,
    k: Any,
    v: Any,
) -> None:
    """Nothing is written to a table that compares otherwise than it is declared, and the log names the column."""
    pairs = Pairs(icu, key, str, live=live, version=version, modes=modes)
    intent = pairs.put(k=k, n=1, v=v) if "put" in modes else pairs.add(k=k, n=1)
    with caplog.at_level(logging.ERROR):
        assert pairs(intent) == 1
    assert pairs.rows() == []
    assert f"handed back: {reason}: table {pairs.table.name}, column " in caplog.text


def test_a_unique_index_with_another_equality_is_found_out(icu: Engine, caplog: pytest.LogCaptureFixture) -> None:
    """A unique index whose collation calls other keys equal than the column does stops the kind."""
    pairs = Pairs(icu, Text(), str, modes="put")
    pairs.run(f"ALTER TABLE {pairs.table.name} DROP CONSTRAINT {pairs.table.name}_pkey")
    pairs.run(f"CREATE UNIQUE INDEX ON {pairs.table.name} (k COLLATE {NO_CASE})")
    assert pairs(pairs.put(k="a", n=1, v=1)) == 1
    assert "index-collation-differs" in caplog.text


def test_a_mended_column_is_written_again(icu: Engine) -> None:
    """What was handed back because of a column is written as soon as the column is as declared."""
    pairs = Pairs(icu, Text(), str, live="ALTER k TYPE citext", modes="put")
    intent = pairs.put(k="a", n=1, v=1)
    assert pairs(intent) == 1
    pairs.run(f"ALTER TABLE {pairs.table.name} ALTER k TYPE text")
    assert pairs(intent) == 0
    assert pairs.outcomes(intent) == ["applied"]


def test_json_that_is_jsonb_in_the_database_is_found_out(engine: Engine) -> None:
    """Values that decide between equal versions are compared as text: json and jsonb write them differently."""
    number = next(_numbers)
    table = Table(
        f"docs_{number}", MetaData(), Column("k", Text, primary_key=True), Column("d", JSON), Column("v", Integer)
    )
    kind: Any = _kind("doc.put", k=str, d=dict[str, int], v=int)
    drain = Drain(engine=engine, queue=MemoryQueue(), dead_letters=MemoryQueue())
    drain.write(kind, Upsert(table, key="k", version="v"))
    live = Table(
        table.name, MetaData(), Column("k", Text, primary_key=True), Column("d", JSONB), Column("v", Integer)
    )
    live.create(engine)
    answer = drain.handler(sqs_event([kind(k="a", d={"b": 1, "a": 2}, v=1)]), LambdaContext())
    assert len(answer["batchItemFailures"]) == 1


def _trigger(pairs: Pairs, body: str, when: str = "INSERT OR UPDATE") -> None:
    name = pairs.table.name
    pairs.run(
        f"CREATE FUNCTION f_{name}() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN {body} END$$;"
        f"CREATE TRIGGER t BEFORE {when} ON {name} FOR EACH ROW EXECUTE FUNCTION f_{name}()"
    )


@pytest.mark.parametrize("mode", ["put", "add"])
@pytest.mark.parametrize("when", ["INSERT", "INSERT OR UPDATE"])
def test_a_trigger_that_changes_the_key_is_found_out(
    engine: Engine, caplog: pytest.LogCaptureFixture, mode: str, when: str
) -> None:
    """If a trigger changes a key, that intent alone goes back: it is neither dead nor stale, and others land."""
    pairs = Pairs(engine, Text(), str, modes=mode)
    _trigger(pairs, "NEW.k = lower(NEW.k); RETURN NEW;", when)
    make: Any = (lambda k, n: pairs.put(k=k, n=n, v=n)) if mode == "put" else (lambda k, n: pairs.add(k=k, n=n))
    plain = make("a", 1)
    assert pairs(plain) == 0
    other = make("B", 2)
    assert pairs(other, make("c", 3)) == 1
    assert "handed back: key-changed-by-trigger: table " in caplog.text
    assert pairs.outcomes(plain, other) == ["applied", "pending"]
    assert [row[:2] for row in pairs.rows()] == [("a", 1), ("c", 3)]


def test_a_row_that_a_trigger_leaves_out_is_applied(engine: Engine) -> None:
    """A row that a trigger leaves out, without an error, is applied, unless a newer row is there."""
    pairs = Pairs(engine, Text(), str, modes="put")
    _trigger(pairs, "IF NEW.n = 13 THEN RETURN NULL; END IF; RETURN NEW;")
    left_out, written = pairs.put(k="a", n=13, v=1), pairs.put(k="b", n=2, v=5)
    assert pairs(left_out, written) == 0
    old = pairs.put(k="b", n=13, v=4)
    assert pairs(old) == 0
    assert pairs.outcomes(left_out, written, old) == ["applied", "applied", "stale"]
    assert [row[0] for row in pairs.rows()] == ["b"]


def test_the_catalogs_are_read_once_for_a_connection(engine: Engine) -> None:
    """The second batch of a connection costs no other round trip than it did without the check."""
    pairs = Pairs(engine, Text(), str, modes="put")
    assert pairs(pairs.put(k="a", n=1, v=1)) == 0
    pairs.run(
        f"ALTER TABLE {pairs.table.name} RENAME TO away; CREATE VIEW {pairs.table.name} AS SELECT * FROM away"
    )
    with engine.connect() as connection:
        checked = connection.info["penstock_checked"]
    assert len(checked) == 1
    assert pairs(pairs.put(k="b", n=1, v=1)) == 0


def test_intervals_have_one_form(engine: Engine) -> None:
    """Two intervals are equal if and only if they have the same justified form."""
    with engine.connect() as connection:
        wrong = connection.scalar(
            text(
                """
                WITH i AS (
                    SELECT make_interval(months => m, days => d, hours => h) AS i
                    FROM generate_series(-2, 2) m, generate_series(-61, 61, 6) d, generate_series(-49, 49, 6) h
                )
                SELECT count(*) FROM i a JOIN i b ON (a.i = b.i) <>
                    (justify_interval(a.i)::text = justify_interval(b.i)::text)
                """
            )
        )
    assert wrong == 0
