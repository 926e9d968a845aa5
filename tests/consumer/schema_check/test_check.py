"""The check: what a drain writes, held against the live database."""

import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import (
    ARRAY,
    JSON,
    URL,
    BigInteger,
    Column,
    Engine,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    SmallInteger,
    String,
    Table,
    Text,
    TypeDecorator,
    make_url,
    text,
)
from sqlalchemy.dialects.postgresql import DOMAIN, JSONB, TIMESTAMP
from sqlalchemy.types import UserDefinedType

from consumer.writes import drain as shop
from penstock import WriteIntent
from penstock.consumer import Append, Drain
from penstock.consumer.schema_check.catalog import Server
from penstock.consumer.schema_check.check import inspect
from penstock.consumer.schema_check.finding import Finding, Severity
from penstock.database import make_engine
from penstock.intents import kind_of
from penstock.testing import LambdaContext, sqs_event
from tests.support.cli_stack import Run, record
from tests.support.project import ROOT
from tests.support.schema_check import SCHEMA, Adjusted, Changed, Placed, Removed, Visited, make_drain, metadata

FAULT, WARNING, NOTE = Severity


class Named(UserDefinedType[Any]):
    def __init__(self, name: str) -> None:
        self.name = name

    def get_col_spec(self, **_: Any) -> str:
        return self.name


class Secret(TypeDecorator[bytes]):
    impl = LargeBinary


NOW = "2026-11-20T10:00:00Z"
INTENTS: Sequence[WriteIntent] = (
    Placed.model_validate_json(
        f'{{"region": "eu", "number": 1, "customer": "a", "total": 1, "placed_at": "{NOW}"}}'
    ),
    Changed.model_validate_json(f'{{"region": "eu", "number": 1, "state": "open", "changed_at": "{NOW}"}}'),
    Removed.model_validate_json(f'{{"region": "eu", "number": 1, "placed_at": "{NOW}"}}'),
    Adjusted(sku="a", delta=1),
    Visited(path="/"),
)


@pytest.fixture
def made(engine: Engine) -> Engine:
    """A database with all the tables."""
    execute(engine, f'CREATE SCHEMA "{SCHEMA}"')
    metadata.create_all(engine)
    return engine


def execute(engine: Engine, *statements: str) -> None:
    """Execute statements, each in a transaction of its own."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def look(engine: Engine, drain: Drain | None = None) -> list[Finding]:
    """Return what is found, but for the note on the function."""
    return [finding for finding in inspect(engine, drain or make_drain()) if finding.kind != "mailed"]


ORDERS = f'"{SCHEMA}"."Our Orders"'
PLACE = f"{SCHEMA}.Our Orders"


# What agrees


def test_the_shop_agrees(engine: Engine) -> None:
    """The shop's drain and its migrations agree; only of its function nothing can be said."""
    (finding,) = inspect(engine, shop)
    assert (finding.severity, finding.kind) == (NOTE, "email.requested")
    assert "function" in finding.problem


def test_tables_as_declared_agree(made: Engine) -> None:
    """Nothing is found in tables made from the declarations, with quoted names, schemas, classes and enums."""
    assert look(made) == []


@pytest.mark.parametrize(
    "change",
    [
        f'ALTER TABLE {ORDERS} ALTER "Customer Name" TYPE text',
        f'ALTER TABLE {ORDERS} ALTER "Customer Name" TYPE varchar(21)',
        f"ALTER TABLE {ORDERS} ALTER total TYPE numeric",
        f"ALTER TABLE {ORDERS} ALTER total TYPE numeric(14, 3)",
        "CREATE DOMAIN sku AS text NOT NULL CHECK (value <> ''); ALTER TABLE stock ALTER sku TYPE sku",
        "ALTER TABLE stock ALTER quantity TYPE bigint",
        "ALTER TABLE stock ALTER quantity TYPE numeric(10)",
        "ALTER TABLE stock ADD note text NOT NULL DEFAULT ''",
        "ALTER TABLE stock ADD number int GENERATED ALWAYS AS IDENTITY",
        "ALTER TABLE stock ADD double int GENERATED ALWAYS AS (quantity * 2) STORED",
        "CREATE DOMAIN zero AS int NOT NULL DEFAULT 0; ALTER TABLE stock ADD number zero",
        "ALTER TABLE stock DROP CONSTRAINT stock_pkey; CREATE UNIQUE INDEX ON stock (sku) INCLUDE (quantity)",
        f'ALTER TYPE "{SCHEMA}"."Order State" ADD VALUE \'lost\'',
        "ALTER TABLE stock ENABLE ROW LEVEL SECURITY",
    ],
)
def test_what_does_no_harm_is_passed(made: Engine, change: str) -> None:
    """A wider type, a domain, a column that Postgres fills, a key in another form: nothing is found."""
    execute(made, *change.split("; "))
    assert look(made) == []


def test_partitions_agree(made: Engine) -> None:
    """A partitioned table is a table."""
    execute(
        made,
        "DROP TABLE stock",
        "CREATE TABLE stock (sku text PRIMARY KEY, quantity int NOT NULL DEFAULT 0) PARTITION BY HASH (sku)",
    )
    assert look(made) == []


# What does not agree


BROKEN: list[tuple[str, dict[str, Any], str]] = [
    (
        f'ALTER TABLE {ORDERS} ALTER "Customer Name" TYPE varchar(19)',
        {"kind": "placed", "column": "Customer Name", "field": "customer", "table": PLACE},
        "declared as VARCHAR(20) and is character varying(19) in the database",
    ),
    (
        f"ALTER TABLE {ORDERS} ALTER total TYPE numeric(12, 1)",
        {"kind": "placed", "column": "total", "field": "total"},
        "declared as NUMERIC(12, 2) and is numeric(12,1)",
    ),
    (
        f"ALTER TABLE {ORDERS} ALTER placed_at TYPE timestamp(3) with time zone",
        {"kind": "placed", "column": "placed_at", "field": "placed_at"},
        "timestamp(3) with time zone in the database",
    ),
    (
        f"ALTER TABLE {ORDERS} ALTER changed_at TYPE timestamp",
        {"kind": "changed", "column": "changed_at", "field": "changed_at"},
        "timestamp without time zone in the database",
    ),
    (
        "ALTER TABLE stock ALTER quantity TYPE smallint",
        {"kind": "adjusted", "column": "quantity", "field": "delta", "table": "public.stock"},
        "declared as INTEGER and is smallint",
    ),
    (
        'ALTER TABLE "Visits" ALTER "The Path" SET DATA TYPE varchar(100)',
        {"kind": "visited", "column": "The Path", "field": "path", "table": "public.Visits"},
        "declared as VARCHAR and is character varying(100)",
    ),
    (
        'ALTER TABLE "Visits" ALTER referrer SET NOT NULL',
        {"kind": "visited", "column": "referrer", "field": "referrer"},
        "it may become null, which the database does not allow",
    ),
    (
        'CREATE DOMAIN given AS text NOT NULL; ALTER TABLE "Visits" ALTER referrer TYPE given',
        {"kind": "visited", "column": "referrer", "field": "referrer"},
        "it may become null",
    ),
    (
        'ALTER TABLE "Visits" ADD "Browser" text NOT NULL',
        {"kind": "visited", "column": "Browser", "field": None},
        "may not be null, has no default and gets no field",
    ),
    (
        'ALTER TABLE "Visits" DROP "The Path"; ALTER TABLE "Visits" ADD "the path" text',
        {"kind": "visited", "column": "The Path", "field": "path"},
        "there is no such column; there is 'the path', and case matters",
    ),
    (
        (
            'ALTER TABLE "Visits" DROP referrer; '
            "ALTER TABLE \"Visits\" ADD referrer text GENERATED ALWAYS AS ('x') STORED"
        ),
        {"kind": "visited", "column": "referrer", "field": "referrer"},
        "Postgres generates it",
    ),
    (
        "ALTER TABLE stock ALTER quantity DROP DEFAULT, ALTER quantity ADD GENERATED ALWAYS AS IDENTITY",
        {"kind": "adjusted", "column": "quantity", "field": "delta"},
        "Postgres generates it",
    ),
    (
        "ALTER TABLE stock DROP CONSTRAINT stock_pkey",
        {"kind": "adjusted", "column": None, "table": "public.stock"},
        "nothing that ON CONFLICT could use makes 'sku' unique",
    ),
    (
        "ALTER TABLE stock DROP CONSTRAINT stock_pkey; CREATE UNIQUE INDEX part ON stock (sku) WHERE quantity > 0",
        {"kind": "adjusted"},
        "('part' covers a part of the rows)",
    ),
    (
        (
            "ALTER TABLE stock DROP CONSTRAINT stock_pkey; "
            "ALTER TABLE stock ADD CONSTRAINT late UNIQUE (sku) DEFERRABLE INITIALLY IMMEDIATE"
        ),
        {"kind": "adjusted"},
        "('late' is deferrable)",
    ),
    (
        (
            "ALTER TABLE stock DROP CONSTRAINT stock_pkey; CREATE UNIQUE INDEX halfway ON stock (sku); "
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'halfway'::regclass"
        ),
        {"kind": "adjusted"},
        "('halfway' is invalid: it could not be built)",
    ),
    (
        (
            "ALTER TABLE stock DROP CONSTRAINT stock_pkey; CREATE UNIQUE INDEX ON stock (lower(sku)); "
            "CREATE UNIQUE INDEX ON stock (sku, quantity)"
        ),
        {"kind": "adjusted"},
        "unique",
    ),
    (
        f"ALTER TYPE \"{SCHEMA}\".\"Order State\" RENAME VALUE 'it''s shut' TO 'shut'",
        {"kind": "changed", "column": "state", "field": "state"},
        'the type "Ware House"."Order State" lacks the label "it\'s shut"',
    ),
    (
        f'ALTER TYPE "{SCHEMA}"."Order State" RENAME TO state',
        {"kind": "changed", "column": "state", "field": "state"},
        'there is no type "Ware House"."Order State"',
    ),
    (
        f"DROP TABLE {ORDERS}",
        {"kind": "placed", "column": None, "table": PLACE},
        "there is no such table",
    ),
    (
        f'ALTER TABLE {ORDERS} SET SCHEMA public; ALTER TABLE public."Our Orders" RENAME TO "our orders"',
        {"kind": "placed", "table": PLACE},
        "there is no such table; there is 'public.our orders'",
    ),
    (
        f'ALTER TABLE stock SET SCHEMA "{SCHEMA}"',
        {"kind": "adjusted", "table": "stock"},
        "no such table on the role's search_path; there is 'Ware House.stock'",
    ),
    (
        "DROP TABLE stock; CREATE MATERIALIZED VIEW stock AS SELECT 'a' AS sku, 1 AS quantity",
        {"kind": "adjusted", "table": "public.stock"},
        "that is no table and no view",
    ),
    (
        "DROP TABLE stock; CREATE VIEW stock AS SELECT 'a'::text AS sku, 1 AS quantity",
        {"kind": "adjusted", "table": "public.stock"},
        "the view does not take INSERT and UPDATE",
    ),
    (
        "DROP TABLE penstock.tombstone",
        {"kind": None, "table": "penstock.tombstone"},
        "there is no such table",
    ),
    (
        "ALTER TABLE penstock.ledger DROP COLUMN settled_at",
        {"kind": None, "table": "penstock.ledger", "column": "settled_at", "field": None},
        "there is no such column",
    ),
    (
        "DROP SCHEMA penstock CASCADE",
        {"kind": None, "hint": "penstock db upgrade"},
        "Penstock's own tables are not there",
    ),
    (
        "DELETE FROM penstock.alembic_version",
        {"kind": None, "hint": "penstock db upgrade"},
        "Penstock's own migrations 0001, 0002",
    ),
    (
        "UPDATE penstock.alembic_version SET version_num = '0001'",
        {"kind": None, "hint": "penstock db upgrade"},
        "Penstock's own migrations 0002",
    ),
]


@pytest.mark.parametrize(("damage", "where", "problem"), BROKEN)
def test_damage_is_found_and_the_way_out_mends_it(
    made: Engine, damage: str, where: dict[str, Any], problem: str
) -> None:
    """What is broken is a fault with kind, field and column, and the SQL that it offers repairs it."""
    execute(made, *damage.split("; "))
    findings = look(made)
    matching = [one for one in findings if all(getattr(one, name) == value for name, value in where.items())]
    assert [one for one in matching if problem in one.problem and one.severity == FAULT], findings
    ways = {(one.hint or "").partition(", or ")[0] for one in findings}
    statements = [way for way in ways if re.match(r"(ALTER|CREATE|GRANT) [^…]*$", way)]
    if statements:
        execute(made, *statements)
        assert look(made) == []


def test_what_may_be_emptied_must_be_allowed_to_be(made: Engine) -> None:
    """A deletion empties older columns of a row that newer ones keep: NOT NULL, with a default, is a fault."""
    execute(made, f"ALTER TABLE {ORDERS} ALTER state SET DEFAULT 'open', ALTER state SET NOT NULL")
    (finding,) = look(made)
    assert (finding.kind, finding.column, finding.field) == ("removed", "state", None)
    assert "may become null" in finding.problem


def test_a_view_is_written_through(made: Engine) -> None:
    """An updatable view passes, with a note that its key has not been checked."""
    execute(made, "ALTER TABLE stock RENAME TO shelf", "CREATE VIEW stock AS SELECT * FROM shelf")
    (finding,) = look(made)
    assert (finding.severity, finding.kind) == (NOTE, "adjusted")
    assert "has not been checked" in finding.problem


def test_newer_tables_of_penstock_are_a_warning(made: Engine) -> None:
    """Revisions that only a newer version knows do not fail the check."""
    execute(made, "UPDATE penstock.alembic_version SET version_num = '9999'")
    (finding,) = look(made)
    assert (finding.severity, finding.kind) == (WARNING, None)
    assert "9999" in finding.problem


@pytest.mark.parametrize(
    ("declared", "live", "agrees"),
    [
        (SmallInteger, "integer", True),
        (BigInteger, "numeric(18)", False),
        (BigInteger, "numeric(21, 2)", True),
        (Numeric, "numeric(30, 2)", False),
        (Numeric, "double precision", False),
        (Float, "double precision", True),
        (Float(24), "real", True),
        (Float(53), "real", False),
        (String, "text", True),
        (Text, "character varying", True),
        (Text, "uuid", False),
        (String(5, collation="C"), 'varchar(5) COLLATE "C"', True),
        (TIMESTAMP(timezone=True, precision=3), "timestamp(3) with time zone", True),
        (TIMESTAMP(timezone=True, precision=4), "timestamp(3) with time zone", False),
        (JSON, "jsonb", True),
        (JSONB, "json", True),
        (JSONB, "text", False),
        (ARRAY(Integer), "bigint[]", True),
        (ARRAY(Integer), "smallint[]", False),
        (ARRAY(Integer), "integer", False),
        (ARRAY(String(3)), "varchar(2)[]", False),
        (DOMAIN("short", String(3)), "short", True),
        (DOMAIN("short", String(3)), "varchar(2)", False),
        (Named("POINT"), "point", True),
        (Named("BOX"), "point", False),
        (Named("1 + 1"), "point", True),
        (Secret, "bytea", True),
    ],
)
def test_types_are_compared_by_what_they_hold(engine: Engine, declared: Any, live: str, agrees: bool) -> None:
    """A type that holds all that the declared one does is as good; one that nothing is known of is passed."""
    execute(engine, "CREATE DOMAIN short AS varchar(3)", f"CREATE TABLE typed (value {live})")

    class Typed(WriteIntent, kind="typed"):
        value: Any

    drain = make_drain(None, (Typed, Append(Table("typed", MetaData(), Column("value", declared)))))
    findings = inspect(engine, drain)
    assert (findings == []) is agrees
    assert {(one.column, one.field) for one in findings} <= {("value", "value")}


# Roles


@pytest.fixture
def clerk(made: Engine, database_url: str) -> Iterator[Engine]:
    """An engine for a role that may do nothing yet, with a name that needs quotes."""
    name = f"The Clerk {uuid4()}"
    execute(made, f"CREATE ROLE \"{name}\" LOGIN PASSWORD 'hunter2'")
    url: URL = make_url(database_url).set(username=name, password="hunter2")
    engine = make_engine(url.render_as_string(hide_password=False))
    yield engine
    engine.dispose()


def grants(findings: Sequence[Finding]) -> list[str]:
    """Return what a role has to be granted; nothing else may be wrong."""
    ways = [one.hint or "" for one in findings if one.severity == FAULT]
    assert [way for way in ways if not way.startswith("GRANT ")] == []
    return list(dict.fromkeys(ways))


def by_column(grant: str) -> list[str]:
    """Split a grant on columns into one for each of them."""
    head, opened, rest = grant.partition("(")
    columns, _, tail = rest.partition(")")
    return [f"{head}({column}){tail}" for column in columns.split(", ")] if opened else [grant]


def lands(engine: Engine) -> set[str]:
    """Drain one intent of each kind and return the kinds that landed."""
    intents = [type(intent).model_validate_json(intent.model_dump_json()) for intent in INTENTS]
    event = sqs_event(intents)
    answer = make_drain(engine).handler(event, LambdaContext())
    failed = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
    records = zip(event["Records"], intents, strict=True)
    return {kind_of(type(intent)) for record, intent in records if record["messageId"] not in failed}


def test_a_role_is_told_all_that_it_lacks(made: Engine, clerk: Engine) -> None:
    """After the grants that the check asks for, on columns alone, it finds nothing, and every kind lands."""
    assert lands(clerk) == set()
    while todo := grants(look(clerk)):
        execute(made, *todo)
    assert [one.severity for one in look(clerk)] == [NOTE]
    assert lands(clerk) == {"placed", "changed", "removed", "adjusted", "visited"}


def test_a_role_is_told_no_more_than_it_lacks(made: Engine, clerk: Engine) -> None:
    """Without any one of the privileges that it asks for, it says so, and some kind does not land."""
    asked: list[str] = []
    while todo := grants(look(clerk)):
        asked += todo
        execute(made, *todo)
    for grant in [part for one in asked if "penstock" not in one for part in by_column(one)]:
        execute(made, grant.replace("GRANT", "REVOKE", 1).replace(" TO ", " FROM "))
        assert grants(look(clerk)) == [grant]
        assert len(lands(clerk)) < len(INTENTS), grant
        execute(made, grant)


def test_a_generation_of_the_ledger_that_is_closed_is_found(made: Engine, clerk: Engine) -> None:
    """Both generations of the ledger must be open to the role."""
    execute(made, "REVOKE ALL ON penstock.ledger_past FROM PUBLIC")
    closed = [one for one in look(clerk) if one.table == "penstock.ledger_past"]
    assert {one.severity for one in closed} == {FAULT}
    assert all((one.hint or "").startswith("GRANT ") for one in closed)


def test_a_role_that_may_not_read_the_revisions_is_told_so(made: Engine, clerk: Engine) -> None:
    """Whether migrations are missing is left open, in a note."""
    execute(made, "GRANT USAGE ON SCHEMA penstock TO PUBLIC")
    notes = [one.problem for one in look(clerk) if one.severity == NOTE]
    assert notes == [
        "the role may not read penstock.alembic_version: whether migrations are missing cannot be told"
    ]


def test_row_level_security_is_a_warning(made: Engine, clerk: Engine) -> None:
    """For a role that policies apply to, what lands depends on them."""
    execute(made, "ALTER TABLE stock ENABLE ROW LEVEL SECURITY")
    (finding,) = [one for one in look(clerk) if one.severity == WARNING]
    assert (finding.kind, finding.table) == ("adjusted", "public.stock")
    assert "row level security" in finding.problem


def test_a_read_only_database_is_found(made: Engine, database_url: str) -> None:
    """Where transactions are read only by default nothing can land."""
    execute(made, f"ALTER DATABASE {made.url.database} SET default_transaction_read_only = on")
    engine = make_engine(database_url)
    (finding,) = look(engine)
    engine.dispose()
    assert (finding.severity, finding.kind) == (FAULT, None)
    assert "read only" in finding.problem


@pytest.mark.parametrize(
    ("server", "problem"),
    [
        (Server(version=180001, standby=True, read_only=True), "it is a standby, which takes no writes"),
        (Server(version=130022, standby=False, read_only=False), "PostgreSQL 13 is too old"),
    ],
)
def test_a_server_that_will_not_do_is_found(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, server: Server, problem: str
) -> None:
    """A standby takes no writes, and a version too old lacks what the statements use."""
    monkeypatch.setattr("penstock.consumer.schema_check.check.read_server", lambda _: server)
    (fault,) = [finding for finding in inspect(engine, shop) if finding.severity == FAULT]
    assert (fault.kind, fault.problem) == (None, problem)


# The inspection itself


def test_nothing_is_written_and_nothing_waits(made: Engine, database_url: str) -> None:
    """It goes on while a table is locked, and leaves the connection as it was."""
    engine = make_engine(database_url)
    with made.begin() as connection:
        connection.execute(text("LOCK TABLE stock, penstock.ledger IN ACCESS EXCLUSIVE MODE"))
        assert look(engine) == []
    with engine.begin() as connection:
        found = connection.execute(
            text(
                "SELECT current_setting('transaction_read_only'), current_setting('transaction_isolation'),"
                " current_setting('statement_timeout')"
            )
        ).one()
    engine.dispose()
    assert tuple(found) == ("off", "read committed", "0")


def test_a_finding_reads_as_a_sentence() -> None:
    """Place, problem and way out, as far as they are known."""
    whole = Finding(severity=FAULT, problem="it is odd", hint="mend it", table="t", column="c", field="f")
    assert str(whole) == "field 'f', column 'c', table 't': it is odd; mend it"
    assert str(Finding(severity=NOTE, problem="it is odd")) == "it is odd"


# The command


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A service in a folder, from which the command is run; gives the name of its module."""
    name = f"service_{uuid4().hex}"
    (tmp_path / "serverless.yml").write_text("service: shop\n")
    inner = tmp_path / "deep"
    inner.mkdir()
    monkeypatch.chdir(inner)
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / f"{name}.py").write_text(
        "from penstock.consumer import Drain\nfrom tests.support.schema_check import make_drain\n"
        "print('hello')\ndrain = make_drain()\nempty = Drain()\n"
    )
    (tmp_path / f"{name}_sick.py").write_text("import nothing_of_that_name")
    (tmp_path / f"{name}_wrong.py").write_text(
        "from penstock.consumer import Append, Drain\n"
        "from tests.support.schema_check import Placed, stock\n"
        "drain = Drain()\ndrain.write(Placed, Append(stock))\n"
    )
    yield name
    for module in [module for module in sys.modules if module.startswith(name)]:
        del sys.modules[module]


def test_the_command_prints_a_line_for_each(made: Engine, service: str, run: Run, database_url: str) -> None:
    """Kinds that agree and faults go to stdout, everything else to stderr; it ends with 0, or 1 for a fault."""
    words = ("check", f"{service}:drain", "--database-url", database_url)
    well = run(*words)
    lines = [line.split("\t") for line in well.out.splitlines()]
    assert (well.code, lines[0]) == (0, ["ok", "database"])
    assert ["ok", "adjusted"] in lines
    assert [line[:2] for line in lines if line[0] == "note"] == [["note", "mailed"]]
    assert "1 note" in well.err
    assert "hello" in well.err
    execute(made, "ALTER TABLE stock ALTER quantity TYPE smallint")
    sick = run(*words)
    (line,) = [line.split("\t") for line in sick.out.splitlines() if line.startswith("fault")]
    assert (sick.code, line[1]) == (1, "adjusted")
    assert line[2].startswith("field 'delta', column 'quantity', table 'public.stock': it is declared as INTEGER")
    assert "1 fault, 1 note" in sick.err


def test_the_command_prints_json(made: Engine, service: str, run: Run, database_url: str) -> None:
    """An object per line, with constant keys for findings."""
    execute(made, "ALTER TABLE stock DROP CONSTRAINT stock_pkey")
    rows = run("check", f"{service}:drain", "--database-url", database_url, "--json").rows
    assert rows[0] == {"verdict": "ok", "kind": None}
    (fault,) = [row for row in rows if row["verdict"] == "fault"]
    assert fault == {
        "verdict": "fault",
        "kind": "adjusted",
        "table": "public.stock",
        "column": None,
        "field": None,
        "problem": "nothing that ON CONFLICT could use makes 'sku' unique",
        "hint": "CREATE UNIQUE INDEX CONCURRENTLY ON public.stock (sku)",
    }


def test_the_command_finds_drain_and_database(
    engine: Engine, run: Run, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By default they are consumer.writes:drain, seen from the service's folder, and the stage's own database."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.chdir(tmp_path)
    record(tmp_path, database_url=database_url)
    assert run("check").code == 0
    monkeypatch.chdir(ROOT / "consumer")
    monkeypatch.setenv("PENSTOCK_DATABASE_URL", database_url)
    ended = run("check", "--json")
    assert ended.code == 0
    assert {row["kind"] for row in ended.rows if row["verdict"] == "ok"} >= {None, "stock.adjusted"}


@pytest.mark.parametrize(
    ("target", "code", "told"),
    [
        ("{0}", 2, "is not of the form MODULE:ATTRIBUTE"),
        ("{0}:", 2, "is not of the form MODULE:ATTRIBUTE"),
        ("{0}_nowhere:drain", 2, "there is no module {0}_nowhere in "),
        ("{0}.deeper:drain", 2, "there is no module {0}.deeper in "),
        ("{0}:nothing", 2, "{0} has no nothing: name a penstock.consumer.Drain"),
        ("{0}:make_drain", 2, "{0} has a function named make_drain: name a penstock.consumer.Drain"),
        ("{0}:empty", 2, "{0}:empty writes nothing"),
        ("{0}_sick:drain", 1, "{0}_sick cannot be imported: ModuleNotFoundError: No module named 'nothing_of_"),
        ("{0}_wrong:drain", 1, "kind 'placed' (class Placed), table 'stock': field 'region' has no column: add"),
    ],
)
def test_a_drain_that_cannot_be_had_is_told(service: str, run: Run, target: str, code: int, told: str) -> None:
    """A module or an attribute that is not there, or no drain, is wrong usage; one that is broken ends with 1."""
    ended = run("check", target.format(service), "--database-url", "postgresql://u@127.0.0.1:1/x")
    assert (ended.code, ended.out) == (code, "")
    assert told.format(service) in ended.err


@pytest.mark.parametrize("debug", [(), ("--debug",)])
def test_a_database_out_of_reach_is_told_without_its_password(
    service: str, run: Run, postgres: Any, debug: tuple[str, ...]
) -> None:
    """Nobody listens, or the password is wrong: exit code 1, a line that says where, and no password."""
    port = make_url(postgres.url()).port
    for url in ("postgresql://u:hunter2@127.0.0.1:1/x", f"postgresql://u:hunter2@127.0.0.1:{port}/x"):
        ended = run("check", f"{service}:drain", "--database-url", url, *debug)
        assert (ended.code, ended.out) == (1, "")
        assert "127.0.0.1" in ended.err
        assert "hunter2" not in ended.err
