"""Functions that somebody plants in a schema on the search_path: none of them ever runs."""

import itertools
import re
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from uuid import uuid4

from sqlalchemy import (
    ARRAY,
    Column,
    DateTime,
    Engine,
    Integer,
    Interval,
    LargeBinary,
    MetaData,
    Numeric,
    String,
    Table,
    Time,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB

from penstock import WriteIntent
from penstock.consumer import Append, Drain
from penstock.consumer.breaker.health_check import check_health
from penstock.consumer.dry_run import dry_run
from penstock.consumer.schema_check.check import check_schema
from penstock.database import ledger_entries, ledger_stats, make_engine, retention
from penstock.database.watchdog import Watchdog
from penstock.intents import encode_envelope
from penstock.testing import LambdaContext, MemoryQueue, sqs_event
from tests.support.modes import Adjusted as Stocked
from tests.support.modes import Bench, Mailed, changed, placed, removed, stock
from tests.support.retention import A_MONTH_LATER
from tests.support.schema_check import execute
from tests.support.statements import recorded

_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
_CALL = re.compile(r"(?<![\w.%])([a-z_]\w*)\s?\(", re.IGNORECASE)
_QUALIFIED = re.compile(r"pg_catalog\.([a-z_]\w*)\(")
_GRAMMAR = """
    all and any array as ask by case cast char check coalesce column columns conflict cross distinct else end
    exists extract filter from greatest group in insert into intervals is join key not on or order over recursive
    row rows select set table then unique using values varchar numeric when where with within
"""
"""Words of Postgres's grammar, for which no function can be planted, and names of types with a modifier."""

_TABLES = "above anon_1 base commands everything intent keys lateral ledger operation our_outbox penstock_wire"
_TABLES += " tombstone tree"
"""Names of tables and aliases, which a list of columns follows."""

_TYPES = (
    "text varchar integer bigint numeric float8 boolean uuid timestamptz interval bytea json jsonb record name oid"
)
_PAIRS = "text integer bigint numeric boolean uuid timestamptz record"


class Everything(WriteIntent, kind="everything"):
    code: str
    blob: bytes
    blobs: list[bytes]
    took: timedelta
    clock: time
    price: Decimal
    document: dict[str, int]


everything = Table(
    "everything",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("code", String(3)),
    Column("blob", LargeBinary),
    Column("blobs", ARRAY(LargeBinary)),
    Column("took", Interval),
    Column("clock", Time),
    Column("price", Numeric(6, 2)),
    Column("document", JSONB),
    Column("made_at", DateTime(timezone=True)),
)


def _whole(code: str = "abc") -> Everything:
    return Everything(
        code=code,
        blob=b"\xff\xfe",
        blobs=[b"\xfb", b""],
        took=-timedelta(days=400, seconds=1),
        clock=time(1, 2),
        price=Decimal("1.5"),
        document={"a": 1},
    )


def _drain(engine: Engine) -> Drain:
    everything.create(engine, checkfirst=True)
    drain = Drain(engine=engine, queue=MemoryQueue(), dead_letters=MemoryQueue())
    drain.write(Everything, Append(everything, {"made_at": "intent_time"}))
    return drain


def _work(engine: Engine) -> None:
    """Do all that Penstock does with a database, on the fast path and on the other."""
    bench, drain = Bench(engine), _drain(engine)
    twice = Mailed(what="once")
    bench(placed(1), changed(1), removed(2, number=2), Stocked(sku="a", delta=1), Mailed(what="a"), twice)
    bench(placed(2), placed(2, number=2), changed(3), removed(3), Stocked(sku="a", delta=2), twice)
    first = _whole()
    events = ([first], [first, _whole("long"), _whole()])
    for intents in events:
        assert drain.handler(sqs_event(intents), LambdaContext()) == {"batchItemFailures": []}
    check_schema(engine, bench.drain)
    dry_run(drain, engine, [encode_envelope(_whole("x"), id=uuid4(), source="/t")], seconds=20)
    assert check_health(Watchdog(engine), 20) is None
    with engine.begin() as connection:
        ledger_stats.read_ledger_stats(connection, "shop", timedelta(days=14))
        ledger_entries.count_outcomes(connection, datetime(2026, 1, 1, tzinfo=UTC))
        ledger_entries.find_states(connection, [twice.intent_id])
    execute(engine, A_MONTH_LATER)
    assert retention.prune(Watchdog(engine), 20).rotation == retention.ROTATED


def test_no_planted_function_runs(engine: Engine, database_url: str) -> None:
    """Every function that our SQL calls is pg_catalog's, even if others come first in the search_path."""
    texts = recorded(engine)
    _work(engine)
    ours = [_QUOTED.sub("''", text) for text in texts if not text.startswith("CREATE TABLE")]
    calls = {name.lower() for text in ours for name in _CALL.findall(text)} - {*_GRAMMAR.split()}
    assert calls - {*_TABLES.split()} == set(), sorted(calls - {*_TABLES.split()})

    names = {name for text in ours for name in _QUALIFIED.findall(text)}
    assert names >= {
        "unnest",
        "json_to_recordset",
        "sum",
        "hash_record_extended",
    }
    # psycopg itself calls this one, to find out whether there is an hstore.
    _plant(engine, names - {"to_regtype"})
    with engine.begin() as connection:
        for table in ("everything", '"Our Orders"', '"Our Stock"', "our_outbox"):
            connection.exec_driver_sql(f"DELETE FROM {table}")
    path = f'ALTER DATABASE "{engine.url.database}" SET search_path = public, pg_catalog'
    execute(engine, path)
    other = make_engine(database_url)
    _work(other)
    with other.connect() as connection:
        assert connection.execute(select(stock.c.quantity)).scalar_one() == 3
        assert len(connection.execute(select(everything)).all()) == 2
    other.dispose()


def _plant(engine: Engine, names: set[str]) -> None:
    arrays = [f"{type_}[]" for type_ in _TYPES.split() if type_ != "record"]
    lists = [(), *((type_,) for type_ in [*_TYPES.split(), *arrays]), *itertools.product(_PAIRS.split(), repeat=2)]
    lists += [("text", "text", "boolean"), ("text", "text", "text"), ("integer",) * 7]
    with engine.begin() as connection:
        for name, types in itertools.product(sorted(names), lists):
            connection.exec_driver_sql(
                f"CREATE FUNCTION public.{name}({', '.join(types)}) RETURNS text LANGUAGE plpgsql"
                " AS $$BEGIN RAISE EXCEPTION 'a planted function ran'; END$$"
            )
