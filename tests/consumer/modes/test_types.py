"""Every common type: Postgres stores the value that the intent has."""

import enum
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, ip_interface
from typing import Any, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import AwareDatetime, BaseModel, NaiveDatetime, create_model
from sqlalchemy import (
    CHAR,
    JSON,
    REAL,
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Double,
    Engine,
    Enum,
    Integer,
    Interval,
    LargeBinary,
    MetaData,
    Numeric,
    SmallInteger,
    String,
    Table,
    Text,
    Time,
    Uuid,
    cast,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY, CIDR, INET, INTERVAL, JSONB, MACADDR
from sqlalchemy.schema import CreateSchema

from penstock import WriteIntent
from penstock.consumer import Append, Drain
from penstock.consumer.dead_letter import DeadLetter
from penstock.consumer.rows.recordset import Recordset, Source
from penstock.intents import encode_envelope
from penstock.intents.storable import overflowed, unchanged
from penstock.testing import LambdaContext, MemoryQueue, sqs_event
from tests.support.statements import recorded


class Colour(enum.Enum):
    RED = "red"
    GREEN = "green"


class Crossed(enum.Enum):
    A = "B"
    B = "A"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Address(BaseModel):
    street: str
    number: int


class Lane:
    """A table with one column of a type, and a drain that writes a field to it."""

    def __init__(self, engine: Engine, annotation: Any, type_: Any) -> None:
        self.table = Table("lane", MetaData(), Column("intent_id", Uuid, primary_key=True), Column("value", type_))
        self.table.metadata.create_all(engine)
        self.engine, self.dead_letters = engine, MemoryQueue()
        self.intent: Any = create_model(
            "Valued", __base__=WriteIntent, __cls_kwargs__={"kind": "valued"}, value=(annotation | None, None)
        )
        self.drain = Drain(engine=engine, queue=MemoryQueue(), dead_letters=self.dead_letters)
        self.drain.write(self.intent, Append(self.table))

    def __call__(self, values: Iterable[Any]) -> list[Any]:
        """Land values; return what Postgres has of them, in their order."""
        intents = [self.intent(value=value) for value in values]
        assert self.drain.handler(sqs_event(intents), LambdaContext()) == {"batchItemFailures": []}
        with self.engine.connect() as connection:
            found = {row.intent_id: row.value for row in connection.execute(select(self.table))}
        return [found[intent.intent_id] for intent in intents if intent.intent_id in found]

    @property
    def letters(self) -> list[DeadLetter | None]:
        return [DeadLetter.read(message.attributes) for message in self.dead_letters.messages]


def _single(value: float | None) -> Any:
    """Round as the type real does, and keep the sign of zero."""
    return None if value is None else repr(struct.unpack("f", struct.pack("f", value))[0])


@dataclass
class Case:
    """Values of a Python type for a Postgres type, and a function that makes them comparable."""

    annotation: Any
    type: Any
    values: st.SearchStrategy[Any]
    same: Callable[[Any], Any] = lambda value: value


def _integers(bits: int) -> st.SearchStrategy[int]:
    return st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def _within(*known: Any, strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.sampled_from(known) | strategy


text = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]))
long_text = text | st.text("\ufffe\uffff\x01\x1f\x7f\"'\\%{},:\u2028\U0010ffff", max_size=5)
words_of_arrays = st.sampled_from(["NULL", "", '"', "\\", "{}", ",", " x ", "%s", "it's"]) | text
decimals = st.builds(
    lambda sign, digits, exponent: Decimal((sign, digits, exponent)),
    st.integers(0, 1),
    st.lists(st.integers(0, 9), min_size=1, max_size=120).map(tuple),
    st.integers(-150, 150),
)
offsets = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
aware = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=offsets)  # noqa: DTZ001
limits_of_time = (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))
limits_of_timedelta = (timedelta.min, timedelta.max, timedelta(days=-366, microseconds=-1), timedelta(days=365))
numbers = st.integers(-(10**40), 10**40) | st.floats(-1e15, 1e15)
json_values = st.recursive(
    st.none() | st.booleans() | numbers | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=6,
)
objects = st.dictionaries(text, json_values, max_size=3)
bytes_ = _within(b"", b"\xff\xfe\xfb\x00\\", bytes(range(256)), strategy=st.binary())
colours = st.sampled_from(Colour)
squares = st.integers(1, 3).flatmap(
    lambda width: st.lists(st.lists(_integers(32), min_size=width, max_size=width), min_size=1, max_size=3)
)

CASES = {
    "smallint": Case(int, SmallInteger, _integers(16)),
    "integer": Case(int, Integer, _integers(32)),
    "bigint": Case(int, BigInteger, _integers(64)),
    "int to numeric": Case(int, Numeric, st.integers(-(10**200), 10**200)),
    "numeric": Case(Decimal, Numeric, _within(Decimal("1e131071"), Decimal("-1e-16383"), strategy=decimals)),
    "numeric(12, 2)": Case(Decimal, Numeric(12, 2), st.decimals("-9999999999.99", "9999999999.99", places=2)),
    "numeric(5)": Case(Decimal, Numeric(5), st.integers(-99999, 99999).map(Decimal)),
    "numeric(2, -3)": Case(int, Numeric(2, -3), st.integers(-99, 99).map(lambda n: n * 1000)),
    "float to numeric": Case(float, Numeric(asdecimal=False), st.floats(-1e15, 1e15)),
    "real": Case(float, REAL, st.floats(width=32, allow_nan=False, allow_infinity=False), _single),
    "double": Case(
        float,
        Double,
        _within(5e-324, -0.0, 1.7976931348623157e308, strategy=st.floats(allow_nan=False, allow_infinity=False)),
        repr,
    ),
    "text": Case(str, Text, long_text),
    "varchar(8)": Case(str, String(8), text.map(lambda t: t[:8])),
    "char(4)": Case(str, CHAR(4), text.map(lambda t: t[:4].ljust(4, "x"))),
    "literal": Case(Literal["a", "b"], Text, st.sampled_from("ab")),
    "boolean": Case(bool, Boolean, st.booleans()),
    "date": Case(date, Date, st.dates()),
    "time": Case(time, Time, st.times()),
    "timetz": Case(time, Time(timezone=True), st.times(timezones=offsets)),
    "timestamp": Case(NaiveDatetime, DateTime, st.datetimes()),
    "timestamptz": Case(AwareDatetime, DateTime(timezone=True), _within(*limits_of_time, strategy=aware)),
    "interval": Case(timedelta, Interval, _within(*limits_of_timedelta, strategy=st.timedeltas())),
    "interval of postgres": Case(timedelta, INTERVAL, st.timedeltas()),
    "uuid": Case(UUID, Uuid, st.uuids()),
    "bytea": Case(bytes, LargeBinary, bytes_),
    "json": Case(Any, JSON, json_values),
    "jsonb": Case(Any, JSONB, json_values),
    "dict to jsonb": Case(dict[str, Any], JSONB, objects),
    "list to json": Case(list[int], JSON, st.lists(_integers(64))),
    "enum by name": Case(Colour, Enum(Colour, name="colour"), colours),
    "enum by value": Case(
        Colour, Enum(Colour, name="colour", values_callable=lambda e: [m.value for m in e]), colours
    ),
    "enum of texts": Case(Literal["a", "b"], Enum("b", "a", name="letter"), st.sampled_from("ab")),
    "enum of ints": Case(Level, Enum(Level, name="level"), st.sampled_from(Level)),
    "enum with crossed names": Case(Crossed, Enum(Crossed, name="crossed"), st.sampled_from(Crossed)),
    "enum that is a varchar": Case(Colour, Enum(Colour, native_enum=False), colours),
    "int enum to integer": Case(Level, Integer, st.sampled_from(Level)),
    "text[]": Case(list[str | None], ARRAY(Text), st.lists(st.none() | words_of_arrays)),
    "integer[]": Case(list[int | None], ARRAY(Integer), st.lists(st.none() | _integers(32))),
    "integer[][]": Case(list[list[int]], ARRAY(Integer, dimensions=2), squares),
    "numeric[]": Case(list[Decimal], ARRAY(Numeric), st.lists(decimals, max_size=4)),
    "numeric(12, 2)[]": Case(
        list[Decimal], ARRAY(Numeric(12, 2)), st.lists(st.decimals(-999, 999, places=2), max_size=4)
    ),
    "bytea[]": Case(list[bytes | None], ARRAY(LargeBinary), st.lists(st.none() | bytes_)),
    "interval[]": Case(list[timedelta], ARRAY(Interval), st.lists(st.timedeltas())),
    "enum[]": Case(list[Colour], ARRAY(Enum(Colour, name="colour")), st.lists(colours)),
    "jsonb[]": Case(list[dict[str, Any]], ARRAY(JSONB), st.lists(objects, max_size=3)),
    "timestamptz[]": Case(list[AwareDatetime], ARRAY(DateTime(timezone=True)), st.lists(aware)),
    "inet": Case(IPv4Address | IPv6Address, INET, st.ip_addresses()),
    "inet with a mask": Case(IPv4Interface, INET, st.just(IPv4Interface("10.1.2.3/8"))),
    "cidr": Case(IPv4Network, CIDR, st.just(IPv4Network("10.0.0.0/8"))),
    "text to inet": Case(str, INET, st.ip_addresses(v=4).map(str), lambda value: value and str(value)),
    "macaddr": Case(str, MACADDR, st.just("08:00:2b:01:02:03")),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_is_stated_is_what_lands(engine: Engine, case: Case) -> None:
    """A value of any common type, and None, comes out of Postgres as it was put into the intent."""
    lane = Lane(engine, case.annotation, case.type)

    @settings(max_examples=15)
    @given(st.lists(st.none() | case.values, min_size=1, max_size=6))
    def check(values: list[Any]) -> None:
        assert list(map(case.same, lane(values))) == list(map(case.same, values))

    check()
    assert lane.letters == []


@dataclass
class Bad:
    """A value that Postgres refuses, and one that it stores."""

    annotation: Any
    type: Any
    value: Any
    good: Any
    sqlstate: str


BAD = {
    "smallint": Bad(int, SmallInteger, 2**15, 1, "22003"),
    "integer": Bad(int, Integer, -(2**31) - 1, 1, "22003"),
    "bigint": Bad(int, BigInteger, 2**63, 1, "22003"),
    "numeric(12, 2), too large": Bad(Decimal, Numeric(12, 2), Decimal("1e10"), Decimal("1.10"), "22003"),
    "numeric(12, 2), too fine": Bad(Decimal, Numeric(12, 2), Decimal("1.005"), Decimal("1.00"), "22P02"),
    "numeric(2, -3), too fine": Bad(int, Numeric(2, -3), 1500, 1000, "22P02"),
    "numeric(12, 2)[]": Bad(list[Decimal], ARRAY(Numeric(12, 2)), [Decimal("0.001")], [Decimal("0.01")], "22P02"),
    "numeric, too large": Bad(Decimal, Numeric, Decimal("1e131072"), Decimal(1), "22003"),
    "numeric, too fine": Bad(Decimal, Numeric, Decimal("1e-16384"), Decimal(1), "22003"),
    "real, too large": Bad(float, REAL, 1e39, 1.0, "22003"),
    "real, too small": Bad(float, REAL, 1e-50, 1.0, "22003"),
    "varchar": Bad(str, String(3), "abcd", "abc", "22001"),
    "char": Bad(str, CHAR(3), "abcd", "abc", "22001"),
    "time with an offset": Bad(time, Time, time(1, tzinfo=UTC), time(1), "22007"),
    "timetz without": Bad(time, Time(timezone=True), time(1), time(1, tzinfo=UTC), "22007"),
    "uuid": Bad(str, Uuid, "no uuid", str(UUID(int=1)), "22P02"),
    "enum": Bad(str, Enum("a", name="letter"), "b", "a", "22P02"),
    "ragged array": Bad(list[list[int]], ARRAY(Integer), [[1, 2], [3]], [[1], [2]], "22P02"),
    "inet": Bad(str, INET, "1.2.3.256", "1.2.3.4", "22P02"),
    "cidr with host bits": Bad(
        IPv4Interface, CIDR, ip_interface("10.1.2.3/8"), ip_interface("10.0.0.0/8"), "22P02"
    ),
    "interval": Bad(str, Interval, "a month", "1 month", "22007"),
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_what_postgres_cannot_take_is_a_dead_letter_of_its_own(engine: Engine, bad: Bad) -> None:
    """A value outside of the column's type is never changed: it is dead-lettered, and all others are written."""
    lane = Lane(engine, bad.annotation, bad.type)
    assert len(lane([bad.good, bad.value, bad.good])) == 2
    assert [letter and letter.sqlstate for letter in lane.letters] == [bad.sqlstate]


@pytest.mark.parametrize("number", ["1e999", "-1e999", "[[1e999]]", '{"a": 1e+400}', "1" + "0" * 400 + ".0"])
@pytest.mark.parametrize("type_", [JSON, JSONB])
def test_a_number_that_overflows_is_never_null(engine: Engine, number: str, type_: Any) -> None:
    """A number that JSON can express and a float cannot hold is dead-lettered, not written as something else."""
    lane = Lane(engine, Any, type_)
    intent = lane.intent(value=0)
    body = encode_envelope(intent, id=intent.intent_id, source="/test").replace('"value":0', f'"value":{number}')
    assert lane.drain.handler(sqs_event([body, lane.intent(value=1)]), LambdaContext()) == {
        "batchItemFailures": []
    }
    with engine.connect() as connection:
        assert connection.scalars(select(lane.table.c.value)).all() == [1]
    assert len(lane.letters) == 1


class Loose(WriteIntent, kind="loose"):
    anything: Any = None
    at: AwareDatetime | None = None
    inner: list[dict[str, AwareDatetime]] | None = None


def test_infinity_is_found_where_the_type_says_nothing() -> None:
    """A number that overflowed while it was parsed is found at any depth; other numbers pass."""
    read = Loose.model_validate_json
    assert overflowed(read('{"anything": [{"a": -1e999}]}'))
    assert not overflowed(read('{"anything": [{"a": 1e308}]}'))


def test_a_repeated_hour_comes_back_from_json() -> None:
    """A time that a clock shows twice equals itself with an offset; the other one of the two does not."""
    zone = ZoneInfo("Europe/Berlin")
    twice = [datetime(2026, 10, 25, 2, 30, tzinfo=zone, fold=fold) for fold in (0, 1)]
    first, second = (Loose(at=time, inner=[{"a": time}]) for time in twice)
    back = Loose.model_validate_json(first.model_dump_json())
    assert back != first
    assert unchanged(first, back)
    assert not unchanged(second, back)
    assert not unchanged(Loose(anything=(1, 2)), Loose(anything=[1, 2]))


def test_a_statement_is_the_same_for_any_number_of_rows(engine: Engine) -> None:
    """Postgres and RDS Proxy see one short text, and SQLAlchemy compiles it once."""
    lane, texts = Lane(engine, list[bytes], ARRAY(LargeBinary)), recorded(engine)
    for count in (30, 31, 50):
        lane([[b"a"]] * count)
    inserts = [text for text in texts if "INSERT INTO lane" in text]
    assert (len(inserts), len({*inserts})) == (3, 1)
    recordsets = [Recordset(Loose, {"anything": Source("anything", type_)}) for type_ in (JSON(), JSONB(), JSON())]
    keys = [select(recordset.cte)._generate_cache_key() for recordset in recordsets]
    assert keys[0] == keys[2] != keys[1]
    assert None not in keys


def test_an_empty_array_stays_one(engine: Engine) -> None:
    """An empty list is an empty array and None is null, also where Postgres converts each item."""
    lane = Lane(engine, list[bytes | None], ARRAY(LargeBinary))
    assert lane([[], None, [None], [b""]]) == [[], None, [None], [b""]]


def test_models_and_their_lists_land_as_json(engine: Engine) -> None:
    """A nested model is stored as an object in a JSON column."""
    lane = Lane(engine, list[Address], JSONB)
    assert lane([[Address(street="a", number=1)]]) == [[{"street": "a", "number": 1}]]


def test_intervals_keep_days_and_hours_apart(engine: Engine) -> None:
    """A timedelta becomes days and a time, as psycopg writes it, never months."""
    lane = Lane(engine, timedelta, Interval)
    lane([timedelta(days=400, hours=30)])
    with engine.connect() as connection:
        assert connection.scalar(select(cast(lane.table.c.value, Text))) == "401 days 06:00:00"


NAMES = [
    "Mixed Case",
    "select",
    "100%",
    "50%(x)s",
    'with "quotes"',
    "a:b",
    ":b",
    "(paren)",
    "ümläut",
    "semi;colon",
    "x" * 63,
]


@pytest.mark.parametrize("schema", [None, "Other Schema%"])
def test_any_name_of_a_column_works(engine: Engine, schema: str | None) -> None:
    """Tables in other schemas, and columns with names that need quoting, get the values of their fields."""
    columns = {name: f"field_{number}" for number, name in enumerate(NAMES)}
    table = Table("Order", MetaData(schema=schema), *(Column(name, Text) for name in NAMES))
    with engine.begin() as connection:
        if schema:
            connection.execute(CreateSchema(schema))
        table.create(connection)
    fields: dict[str, Any] = dict.fromkeys(columns.values(), (str, ...))
    intent: Any = create_model("Named", __base__=WriteIntent, __cls_kwargs__={"kind": "named"}, **fields)
    drain = Drain(engine=engine, queue=MemoryQueue(), dead_letters=MemoryQueue())
    drain.write(intent, Append(table, columns))
    stated = intent(**{field: f"of {field}" for field in columns.values()})
    assert drain.handler(sqs_event([stated]), LambdaContext()) == {"batchItemFailures": []}
    with engine.connect() as connection:
        (row,) = connection.execute(select(table))
    assert list(row) == [f"of {field}" for field in columns.values()]


@pytest.mark.parametrize(
    "name", ["select", "Mixed", "user", "order", "Ünï", "row", "data", "rows", "time", "id", "envelope"]
)
def test_any_name_of_a_field_works(engine: Engine, name: str) -> None:
    """A field may have a name that SQL or the statement around it uses for something else."""
    table = Table("fields", MetaData(), Column(name, Text), Column("twice", Text))
    table.create(engine)
    fields: dict[str, Any] = {name: (str, ...)}
    intent: Any = create_model("Named", __base__=WriteIntent, __cls_kwargs__={"kind": "named"}, **fields)
    drain = Drain(engine=engine, queue=MemoryQueue(), dead_letters=MemoryQueue())
    drain.write(intent, Append(table, {name: name, "twice": name}))
    drain.handler(sqs_event([intent(**{name: "a"})]), LambdaContext())
    with engine.connect() as connection:
        assert connection.execute(select(table)).all() == [("a", "a")]
