"""Hints: each rule finds what it is for, and is silent otherwise."""

from collections.abc import Sequence
from typing import Any

import pytest
from pydantic import AwareDatetime
from sqlalchemy import Column, Connection, DateTime, Engine, Integer, MetaData, Table, Text, text

from penstock import WriteIntent
from penstock.consumer import Append, Custom, Delete, Drain, Upsert
from penstock.explain.hints.find import find_side_effects
from penstock.explain.hints.hint import Hint
from penstock.explain.hints.of_plan import plan_hints
from penstock.explain.reading import read_plan
from penstock.explain.run import find_bound
from penstock.testing import MemoryQueue
from tests.support.explained import SECONDS, explained, hints_of
from tests.support.modes import at
from tests.support.schema_check import execute

metadata = MetaData()
accounts = Table(
    "accounts",
    metadata,
    Column("name", Text, primary_key=True),
    Column("rank", Integer),
    Column("seen_at", DateTime(timezone=True)),
)
TABLE = "CREATE TABLE accounts (name text PRIMARY KEY, rank int UNIQUE, seen_at timestamptz)"


class Seen(WriteIntent, kind="seen"):
    name: str
    rank: int | None = None
    seen_at: AwareDatetime


class Gone(WriteIntent, kind="gone"):
    name: str
    seen_at: AwareDatetime


class Looked(WriteIntent, kind="looked"):
    name: str


class Noted(WriteIntent, kind="noted"):
    name: str


SEEN = [Seen(name=f"n{n}", seen_at=at(n)) for n in range(20)]
GONE = [Gone(name=f"n{n}", seen_at=at(n)) for n in range(20)]


@pytest.fixture
def drain(engine: Engine) -> Drain:
    """A drain of accounts that are written and deleted."""
    execute(engine, TABLE)
    drain = Drain(engine=engine, queue=MemoryQueue(), dead_letters=MemoryQueue())
    drain.write(Seen, Upsert(accounts, key="name", version="seen_at"))
    drain.write(Gone, Delete(accounts, key="name", version="seen_at"))
    return drain


def found(drain: Drain, engine: Engine, intents: Sequence[WriteIntent], rule: str) -> list[Hint]:
    """Return the hints of one rule."""
    return [hint for hint in hints_of(drain, engine, explained(drain, engine, *intents)) if hint.rule == rule]


def test_a_plain_table_gets_no_hint(engine: Engine, drain: Drain) -> None:
    """There is nothing to say about small tables with all indexes."""
    execute(engine, "CREATE TABLE orders_of (id int PRIMARY KEY, account text REFERENCES accounts)")
    execute(engine, "CREATE INDEX ON orders_of (account, id)")
    for intents in (SEEN, GONE):
        assert hints_of(drain, engine, explained(drain, engine, *intents)) == []


CHILDREN = {
    "none": [],
    "partial": ["CREATE INDEX ON orders_of (account) WHERE id > 5"],
    "second column": ["CREATE INDEX ON orders_of (id, account)"],
    "expression": ["CREATE INDEX ON orders_of (lower(account))"],
}


@pytest.mark.parametrize("indexes", CHILDREN.values(), ids=CHILDREN.keys())
def test_deleting_parents_needs_an_index_of_the_children(
    engine: Engine, drain: Drain, indexes: Sequence[str]
) -> None:
    """A foreign key to a table whose rows are deleted needs an index that begins with its columns."""
    execute(engine, "CREATE TABLE orders_of (id int PRIMARY KEY, account text REFERENCES accounts)", *indexes)
    (hint,) = found(drain, engine, GONE, "foreign-key-index")
    assert hint.problem == (
        "for each row of accounts that is deleted, Postgres reads all of orders_of, because the foreign key "
        "'orders_of_account_fkey' has no index"
    )
    assert hint.way_out == "CREATE INDEX CONCURRENTLY ON orders_of (account)"
    execute(engine, hint.way_out)
    assert found(drain, engine, GONE, "foreign-key-index") == []


def test_updating_what_is_referred_to_needs_an_index(engine: Engine, drain: Drain) -> None:
    """An upsert that updates a column to which a foreign key refers needs an index; one to its key does not."""
    execute(
        engine,
        "CREATE TABLE by_name (id int PRIMARY KEY, account text REFERENCES accounts)",
        'CREATE TABLE "by Rank" (id int PRIMARY KEY, "the Rank" int REFERENCES accounts (rank))',
    )
    (hint,) = found(drain, engine, SEEN, "foreign-key-index")
    assert hint.way_out == 'CREATE INDEX CONCURRENTLY ON "by Rank" ("the Rank")'
    assert "updated" in hint.problem


def test_a_tables_own_foreign_key_needs_an_index(engine: Engine, drain: Drain) -> None:
    """A foreign key of several columns is covered by an index of these columns in any order."""
    execute(
        engine,
        "CREATE TABLE places (a int, b int, PRIMARY KEY (a, b))",
        "ALTER TABLE accounts ADD a int, ADD b int, ADD FOREIGN KEY (a, b) REFERENCES places",
    )
    (hint,) = found(drain, engine, SEEN, "foreign-key-index")
    assert hint.way_out.startswith("CREATE INDEX CONCURRENTLY ON accounts (a, b), unless rows of places")
    execute(engine, "CREATE INDEX ON accounts (b, a)")
    assert found(drain, engine, SEEN, "foreign-key-index") == []


def test_each_partition_needs_an_index(engine: Engine, drain: Drain) -> None:
    """A foreign key of a partitioned table is covered only if each of its partitions has an index."""
    execute(
        engine,
        "CREATE TABLE orders_of (id int, account text REFERENCES accounts) PARTITION BY RANGE (id)",
        "CREATE TABLE orders_1 PARTITION OF orders_of FOR VALUES FROM (0) TO (10)",
        "CREATE TABLE orders_2 PARTITION OF orders_of FOR VALUES FROM (10) TO (20)",
        "CREATE INDEX ON orders_1 (account)",
    )
    (hint,) = found(drain, engine, GONE, "foreign-key-index")
    assert hint.table == "orders_of"
    execute(engine, "CREATE INDEX ON orders_2 (account)")
    assert found(drain, engine, GONE, "foreign-key-index") == []


def test_a_slow_trigger_is_named(engine: Engine, drain: Drain) -> None:
    """A trigger that takes most of the time is named with its share; a fast one is not."""
    execute(
        engine,
        "CREATE FUNCTION fast() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN PERFORM pg_sleep(0.01); RETURN NEW; END'",
        "CREATE TRIGGER fast BEFORE INSERT ON accounts FOR EACH ROW EXECUTE FUNCTION fast()",
        'CREATE TRIGGER "the slow" AFTER INSERT ON accounts FOR EACH ROW EXECUTE FUNCTION slow()',
    )
    (hint,) = found(drain, engine, SEEN, "trigger-share")
    execute(engine, "CREATE TRIGGER before BEFORE INSERT ON accounts FOR EACH ROW EXECUTE FUNCTION slow()")
    both = explained(drain, engine, *SEEN)
    for plan in (one.plan for one in both.statements if one.plan):
        assert sum(plan.spent.values()) <= (plan.execution_ms or 0) * 1.05
        assert {*[*plan.spent][:2]} == {"trigger before", "trigger the slow"}
    assert "the trigger 'the slow' takes" in hint.problem
    assert "of 20 calls" in hint.problem
    assert hint.table == "accounts"


def fill(engine: Engine, rows: int) -> None:
    execute(
        engine,
        f"INSERT INTO accounts SELECT 'old ' || n, n, now() FROM generate_series(1, {rows}) AS n",
        "ANALYZE accounts",
    )


def custom(engine: Engine, query: str) -> Drain:
    """Return a drain whose function sends a query for each name."""

    def look(connection: Connection, intents: Sequence[Any]) -> None:
        for intent in intents:
            connection.execute(text(query), {"name": intent.name})

    drain = Drain(engine=engine, queue=MemoryQueue(), dead_letters=MemoryQueue())
    drain.write(Looked, Custom(look))
    return drain


def test_a_scan_that_drops_nearly_all_rows_is_named(engine: Engine) -> None:
    """The columns of the condition are named for the index; the values are not shown."""
    execute(engine, TABLE, 'ALTER TABLE accounts ADD "Nick Name" text, ADD city text')
    fill(engine, 3000)
    drain = custom(engine, "SELECT * FROM accounts a WHERE a.city = 'hunter2' AND city <> :name")
    (hint,) = found(drain, engine, [Looked(name="hunter3")], "sequential-scan")
    assert hint.way_out == "CREATE INDEX CONCURRENTLY ON accounts (city)"
    assert "reads 3,000 rows and drops 3,000 of them" in hint.problem
    assert "hunter" not in repr(hint)


def test_an_index_that_is_not_used_is_named(engine: Engine) -> None:
    """If an index begins with a column of the condition, the hint is not to make another one."""
    execute(engine, TABLE)
    fill(engine, 3000)
    drain = custom(engine, "SELECT * FROM accounts WHERE name || '' = :name AND name <> 'x'")
    (hint,) = found(drain, engine, [Looked(name="a")], "sequential-scan")
    assert hint.way_out.startswith("an index begins with name, and Postgres does not use it")


def test_small_tables_may_be_scanned(engine: Engine) -> None:
    """A scan of few rows is no reason for an index."""
    execute(engine, TABLE)
    fill(engine, 500)
    drain = custom(engine, "SELECT * FROM accounts WHERE seen_at IS NULL AND name <> :name")
    assert found(drain, engine, [Looked(name="a")], "sequential-scan") == []


def test_a_table_that_is_read_many_times_is_named(engine: Engine) -> None:
    """A table that is read from end to end for each row of another one is named."""
    execute(engine, TABLE)
    fill(engine, 600)
    drain = custom(
        engine,
        "SELECT sum(x.v) FROM generate_series(1, 30) AS n CROSS JOIN LATERAL"
        " (SELECT n + sum(rank) AS v FROM accounts WHERE name <> :name OFFSET 0) AS x",
    )
    hints = found(drain, engine, [Looked(name="a")], "sequential-scan")
    assert any("times" in hint.problem for hint in hints)


def test_a_wrong_estimate_is_named(engine: Engine) -> None:
    """A table that grew since its statistics were made is to be analyzed."""
    execute(engine, TABLE, "ALTER TABLE accounts SET (autovacuum_enabled = false)", "ANALYZE accounts")
    execute(engine, "INSERT INTO accounts SELECT 'old ' || n, n, now() FROM generate_series(1, 20000) AS n")
    fill_condition = "SELECT * FROM accounts WHERE rank % 2 = 0 AND name <> :name"
    (hint,) = found(custom(engine, fill_condition), engine, [Looked(name="a")], "row-estimate")
    assert hint.way_out.startswith("ANALYZE accounts")
    assert "returns 10,000" in hint.problem
    execute(engine, "ANALYZE accounts")
    whole = custom(engine, "SELECT * FROM accounts WHERE name <> :name")
    assert found(whole, engine, [Looked(name="a")], "row-estimate") == []


def test_what_goes_to_disk_is_named(engine: Engine) -> None:
    """A sort that needs more than work_mem is named with its size."""
    execute(engine, TABLE)
    fill(engine, 3000)
    query = "SELECT * FROM accounts WHERE name <> :name ORDER BY seen_at, name DESC"

    def look(connection: Connection, intents: Sequence[Any]) -> None:
        connection.execute(text("SET LOCAL work_mem = '64kB'"))
        connection.execute(text(query), {"name": intents[0].name})

    drain = Drain(engine=engine, queue=MemoryQueue(), dead_letters=MemoryQueue())
    drain.write(Looked, Custom(look))
    (hint,) = found(drain, engine, [Looked(name="a")], "spill")
    assert hint.problem.startswith("Sort needs more than work_mem")


def test_compilation_is_named() -> None:
    """If the compilation of a plan takes a large part of the time, the hint is to turn it off."""
    for jit_ms, rules in ((2.0, ["jit"]), (0.5, [])):
        timing = {"JIT": {"Timing": {"Total": jit_ms}}}
        plan = read_plan([{"Plan": {"Node Type": "Result"}, "Execution Time": 10.0, **timing}])
        assert [hint.rule for hint in plan_hints(plan, lambda *_: None)] == rules


def test_what_runs_at_commit_is_named(engine: Engine, drain: Drain) -> None:
    """A deferred constraint is checked, and its time, which no plan has, is in the hint."""
    execute(
        engine,
        "CREATE TABLE ranks (rank int PRIMARY KEY)",
        "ALTER TABLE accounts ADD CONSTRAINT of_rank FOREIGN KEY (rank) REFERENCES ranks INITIALLY DEFERRED",
    )
    (hint,) = found(drain, engine, SEEN, "deferred")
    assert hint.problem.startswith("'of_rank' runs only at COMMIT")
    result = explained(drain, engine, Seen(name="a", rank=5, seen_at=at(0)))
    assert list(result.faults) == [
        "NotYetFault: ForeignKeyViolation: sqlstate 23503, constraint of_rank, table accounts"
    ]


def test_side_effects_are_named(engine: Engine, drain: Drain) -> None:
    """Triggers, sequences and functions are named before anything is executed; what does not run is not."""
    execute(
        engine,
        "CREATE TABLE notes (id serial PRIMARY KEY, more int GENERATED ALWAYS AS IDENTITY, name text)",
        "CREATE FUNCTION go() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        "CREATE TRIGGER first BEFORE INSERT ON notes FOR EACH ROW EXECUTE FUNCTION go()",
        "CREATE TRIGGER other BEFORE DELETE ON notes FOR EACH ROW EXECUTE FUNCTION go()",
        "CREATE TRIGGER asleep BEFORE INSERT ON notes FOR EACH ROW EXECUTE FUNCTION go()",
        "ALTER TABLE notes DISABLE TRIGGER asleep",
        "CREATE FUNCTION compiled() RETURNS trigger LANGUAGE c AS '$libdir/plpgsql', 'plpgsql_call_handler'",
        "CREATE TRIGGER late AFTER INSERT ON notes FOR EACH ROW EXECUTE FUNCTION compiled()",
        "CREATE TRIGGER own BEFORE INSERT OR UPDATE ON notes FOR EACH ROW"
        " EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    )
    notes = Table("notes", MetaData(), Column("id", Integer, primary_key=True), Column("name", Text))
    drain.write(Noted, Append(notes), Custom(lambda _connection, _intents: None))
    bound = find_bound(drain.bound(), "noted")
    assert bound is not None
    assert find_side_effects(engine, bound, seconds=SECONDS) == [
        "the trigger 'first' of notes runs go: what it does outside of this database stays",
        "the trigger 'late' of notes runs compiled: c can act outside of this database, and that stays",
        (
            "the trigger 'own' of notes runs suppress_redundant_updates_trigger: "
            "what it does outside of this database stays"
        ),
        "the sequence notes_id_seq advances, and stays so",
        "the sequence notes_more_seq advances, and stays so",
        "a function of the service is called: what it does outside of this database stays",
    ]
    execute(
        engine,
        "DROP TABLE notes",
        "CREATE TABLE notes (id int, name text) PARTITION BY LIST (name)",
        "CREATE TABLE notes_a PARTITION OF notes FOR VALUES IN ('a')",
        "CREATE TRIGGER here BEFORE INSERT ON notes_a FOR EACH ROW EXECUTE FUNCTION go()",
    )
    assert find_side_effects(engine, bound, seconds=SECONDS)[0].startswith("the trigger 'here' of notes_a runs go")
    deleting = find_bound(drain.bound(), "gone")
    assert deleting is not None
    (lock,) = find_side_effects(engine, deleting, seconds=SECONDS)
    assert lock.startswith("the drain waits with the kinds of accounts until it ends")
    plain = find_bound(drain.bound(), "seen")
    assert plain is not None
    assert find_side_effects(engine, plain, seconds=SECONDS) == []
