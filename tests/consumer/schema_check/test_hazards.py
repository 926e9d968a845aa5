"""What live tables and servers do with rows besides storing them is found, and what does no harm is not."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import AwareDatetime
from sqlalchemy import Column, DateTime, Engine, FetchedValue, Integer, MetaData, Table, Text, select
from sqlalchemy.dialects.postgresql import HSTORE, INT4RANGE, JSON, JSONB
from sqlalchemy.types import UserDefinedType

from penstock import WriteIntent
from penstock.consumer import Append, BindingError, Delete, Drain, Upsert
from penstock.consumer.schema_check.check import check_schema
from penstock.consumer.schema_check.finding import Finding
from penstock.database import make_engine
from penstock.database.migrate import upgrade
from penstock.testing import LambdaContext, MemoryQueue, sqs_event
from tests.support.schema_check import FAULT, NOTE, ORDERS, WARNING, check, execute, make_drain
from tests.support.servers import postgres_15

SKIP = "CREATE FUNCTION skip() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'"


class Seen(WriteIntent, kind="seen"):
    name: str
    at: AwareDatetime


def seen_table(*columns: Column[Any], version: Any = None) -> Table:
    return Table(
        "seen",
        MetaData(),
        Column("name", Text, primary_key=True),
        Column("at", version or DateTime(timezone=True)),
        *columns,
    )


HAZARDS: list[tuple[list[str], str, Any, str, str]] = [
    (
        [SKIP, "CREATE TRIGGER skips BEFORE INSERT ON stock FOR EACH ROW EXECUTE FUNCTION skip()"],
        "adjusted",
        WARNING,
        "the trigger 'skips' runs before each INSERT and can skip or change the row",
        "never returns NULL",
    ),
    (
        ["CREATE RULE also AS ON INSERT TO stock DO ALSO NOTIFY stocked"],
        "adjusted",
        FAULT,
        "Postgres refuses the statement that writes the kind (0A000)",
        "no rules",
    ),
    (
        ['CREATE RULE nothing AS ON INSERT TO "Visits" DO INSTEAD NOTHING'],
        "visited",
        FAULT,
        "Postgres refuses the statement that writes the kind (0A000)",
        "no rules",
    ),
    (
        [
            'CREATE TABLE others (LIKE "Visits")',
            'CREATE RULE elsewhere AS ON INSERT TO "Visits" DO INSTEAD INSERT INTO others VALUES (new.*)',
        ],
        "visited",
        WARNING,
        "the rule 'elsewhere' rewrites each INSERT",
        "drop the rule",
    ),
    (
        ["ALTER TABLE stock SET UNLOGGED"],
        "adjusted",
        WARNING,
        "stock is unlogged: a crash empties it",
        "SET LOGGED",
    ),
    (
        [
            "ALTER TABLE stock DROP CONSTRAINT stock_pkey",
            "CREATE UNIQUE INDEX ON stock (sku)",
            "CREATE PUBLICATION everything FOR TABLE stock",
        ],
        "adjusted",
        FAULT,
        "stock is published and has no replica identity, so Postgres refuses UPDATE",
        "ALTER TABLE stock REPLICA IDENTITY FULL",
    ),
    (
        ["ALTER TABLE stock ALTER sku TYPE char(20)"],
        "adjusted",
        FAULT,
        "declared as TEXT",
        "",
    ),
]


@pytest.mark.parametrize(("changes", "kind", "severity", "problem", "hint"), HAZARDS)
def test_a_hazard_is_found(  # noqa: PLR0917
    made: Engine, changes: list[str], kind: str, severity: Any, problem: str, hint: str
) -> None:
    """Triggers, rules, unlogged tables and publications without replica identity are findings with the way out."""
    execute(made, *changes)
    findings = check(made)
    matching = [one for one in findings if problem in one.problem and (one.kind, one.severity) == (kind, severity)]
    assert matching, findings
    assert hint in (matching[0].hint or "")


@pytest.mark.parametrize(
    "changes",
    [
        [SKIP, "CREATE TRIGGER skips AFTER INSERT ON stock FOR EACH ROW EXECUTE FUNCTION skip()"],
        [SKIP, "CREATE TRIGGER skips BEFORE INSERT ON stock FOR EACH STATEMENT EXECUTE FUNCTION skip()"],
        [SKIP, "CREATE TRIGGER skips BEFORE DELETE ON stock FOR EACH ROW EXECUTE FUNCTION skip()"],
        [
            SKIP,
            "CREATE TRIGGER skips BEFORE INSERT ON stock FOR EACH ROW EXECUTE FUNCTION skip()",
            "ALTER TABLE stock DISABLE TRIGGER skips",
        ],
        ["CREATE RULE gone AS ON DELETE TO stock DO INSTEAD NOTHING"],
        ["CREATE PUBLICATION everything FOR ALL TABLES"],
        ['ALTER TABLE "Visits" DROP CONSTRAINT "Visits_pkey"', 'CREATE PUBLICATION visits FOR TABLE "Visits"'],
        [f'ALTER TABLE {ORDERS} ALTER "Region" TYPE varchar'],
    ],
)
def test_what_does_no_harm_is_no_finding(made: Engine, changes: list[str]) -> None:
    """What does not concern a write, or cannot change its rows, is no finding."""
    execute(made, *changes)
    assert check(made) == []


def test_an_instead_of_trigger_takes_an_append(made: Engine) -> None:
    """An Append onto a view with an INSTEAD OF trigger lands, and the check has a note; an Upsert is a fault."""
    execute(
        made,
        "CREATE TABLE kept (name text PRIMARY KEY, at timestamptz)",
        "CREATE VIEW seen AS SELECT name, at FROM kept GROUP BY name, at",
        "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN INSERT INTO kept VALUES (new.name, new.at); RETURN new; END'",
        "CREATE TRIGGER keeps INSTEAD OF INSERT OR UPDATE ON seen FOR EACH ROW EXECUTE FUNCTION keep()",
    )
    (finding,) = _of(made, Append(seen_table()))
    assert (finding.severity, finding.kind) == (NOTE, "seen")
    assert "INSTEAD OF trigger 'keeps' alone decides" in finding.problem
    _land(made, Append(seen_table()))
    with made.connect() as connection:
        assert connection.exec_driver_sql("SELECT name FROM kept").scalars().all() == ["a"]
    found = _of(made, Upsert(seen_table(), key="name", version="at"))
    assert [one.severity for one in found if "ON CONFLICT" in one.problem] == [FAULT]


def test_a_trigger_may_fill_a_column(made: Engine) -> None:
    """A NOT NULL column that a trigger fills is no fault if it is declared so, and a warning if it is not."""
    execute(
        made,
        "CREATE TABLE seen (name text PRIMARY KEY, at timestamptz, number int NOT NULL)",
        "CREATE FUNCTION fill() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN new.number = 7; RETURN new; END'",
        "CREATE TRIGGER fills BEFORE INSERT ON seen FOR EACH ROW EXECUTE FUNCTION fill()",
    )
    number = Column("number", Integer, nullable=False, server_default=FetchedValue())
    declared = seen_table(number)
    assert [one.severity for one in _of(made, Append(declared))] == [WARNING]
    _land(made, Append(declared))
    with made.connect() as connection:
        assert connection.execute(select(declared.c.number)).scalar_one() == 7
    assert [one.column for one in _of(made, Append(seen_table())) if one.column] == ["number"]
    assert not [one for one in _of(made, Append(seen_table())) if one.severity == FAULT]
    execute(made, "DROP TRIGGER fills ON seen")
    assert [one.severity for one in _of(made, Append(declared))] == [FAULT]


class Point(UserDefinedType[str]):
    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "point"


class Numbered(WriteIntent, kind="seen"):
    name: str
    at: str


@pytest.mark.parametrize("type_", [JSON, HSTORE, Point])
def test_a_version_without_an_order_is_refused(made: Engine, type_: Any) -> None:
    """A version that Postgres cannot compare is refused: at bind if its type is known, else by the check."""
    table = seen_table(version=type_)
    if type_ is Point:
        table.create(made)
        drain = make_drain(None, (Numbered, Upsert(table, key="name", version="at")))
        (finding,) = check(made, drain)
        assert (finding.severity, finding.kind) == (FAULT, "seen")
        assert "42883" in finding.problem
        assert "such as a time, a number or a text" in (finding.hint or "")
        return
    for mode in (Upsert(table, key="name", version="at"), Delete(table, key="name", version="at")):
        with pytest.raises(BindingError, match=r"column 'at': Postgres cannot compare values of .*: use"):
            mode.bind(Numbered)


@pytest.mark.parametrize(("type_", "values"), [(INT4RANGE, ["[1,2)", "[1,3)"]), (JSONB, ["1", "2"])])
def test_a_version_with_an_order_lands(made: Engine, type_: Any, values: list[str]) -> None:
    """A version of an unusual type that Postgres can compare is accepted, and the greatest wins."""
    table = seen_table(version=type_)
    table.create(made)
    mode = Upsert(table, key="name", version="at")
    assert check(made, make_drain(None, (Numbered, mode))) == []
    drain = Drain(engine=made, queue=MemoryQueue(), dead_letters=MemoryQueue())
    drain.write(Numbered, mode)
    for intents in ([Numbered(name="a", at=values[1])], [Numbered(name="a", at=value) for value in values]):
        assert drain.handler(sqs_event(intents), LambdaContext()) == {"batchItemFailures": []}
    with made.connect() as connection:
        assert connection.exec_driver_sql("SELECT at::text FROM seen").scalar_one().strip('"') == values[1]


def test_schemas_that_others_may_write_are_found(made: Engine) -> None:
    """A schema on the search_path in which another role may create is a warning, and the hint repairs it."""
    execute(made, "GRANT CREATE ON SCHEMA public TO PUBLIC")
    (finding,) = check(made)
    assert (finding.severity, finding.kind) == (WARNING, None)
    assert "'public' is on the role's search_path, and PUBLIC may create in it" in finding.problem
    execute(made, finding.hint or "")
    assert check(made) == []


def test_unsafe_settings_are_found(made: Engine, database_url: str) -> None:
    """synchronous_commit, fsync and full_page_writes are warnings if they are off, and only then."""
    problems = [one.problem for one in check_schema(made, make_drain()) if one.kind is None]
    assert [problem.partition(" ")[0] for problem in problems] == [
        "synchronous_commit",
        "fsync",
        "full_page_writes",
    ]
    execute(made, f'ALTER DATABASE "{made.url.database}" SET synchronous_commit = on')
    engine = make_engine(database_url)
    problems = [one.problem for one in check_schema(engine, make_drain()) if one.kind is None]
    engine.dispose()
    assert [problem.partition(" ")[0] for problem in problems] == ["fsync", "full_page_writes"]


def test_keys_and_versions_compare_as_declared() -> None:
    """A citext or nondeterministic key, and a version of another collation, are faults that the hint repairs."""
    with postgres_15() as url:
        upgrade(url)
        engine = make_engine(url)
        execute(
            engine,
            "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
            "CREATE EXTENSION citext",
            "CREATE COLLATION blind (provider = icu, locale = 'und-u-ks-level2', deterministic = false)",
            "CREATE TABLE seen (name citext PRIMARY KEY, at text)",
        )
        mode = Upsert(seen_table(version=Text), key="name", version="at")
        drain = make_drain(None, (Numbered, mode))
        assert ["declared as TEXT" in one.problem for one in check(engine, drain)] == [True]
        execute(engine, "ALTER TABLE seen ALTER name TYPE text COLLATE blind")
        (finding,) = check(engine, drain)
        assert (finding.severity, finding.column) == (FAULT, "name")
        assert "the key has the nondeterministic collation blind in the database" in finding.problem
        execute(engine, 'ALTER TABLE seen ALTER name TYPE text, ALTER at TYPE text COLLATE "de-x-icu"')
        (finding,) = check(engine, drain)
        assert (finding.severity, finding.column) == (FAULT, "at")
        assert "collation='de-x-icu'" in (finding.hint or "")
        declared = seen_table(version=Text(collation="de-x-icu"))
        assert check(engine, make_drain(None, (Numbered, Upsert(declared, key="name", version="at")))) == []
        engine.dispose()


def _of(engine: Engine, mode: Any) -> list[Finding]:
    return check(engine, make_drain(None, (Seen, mode)))


def _land(engine: Engine, mode: Any) -> None:
    drain = Drain(engine=engine, queue=MemoryQueue(), dead_letters=MemoryQueue())
    drain.write(Seen, mode)
    event = sqs_event([Seen(name="a", at=datetime(2026, 1, 1, tzinfo=UTC))])
    assert drain.handler(event, LambdaContext()) == {"batchItemFailures": []}
