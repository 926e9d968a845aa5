"""Samples: intents that are made up, from the model and from what is in the database."""

import enum
import json
import re
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from random import Random
from typing import Annotated, Any, Literal
from uuid import UUID, uuid4

import pytest
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, field_validator
from sqlalchemy import (
    Column,
    DateTime,
    Engine,
    Enum,
    ForeignKey,
    ForeignKeyConstraint,
    Integer,
    Interval,
    MetaData,
    Numeric,
    SmallInteger,
    String,
    Table,
    Text,
    insert,
    text,
)

from consumer.writes import drain as shop_drain
from penstock import WriteIntent
from penstock.consumer import Append, Custom, Drain, Upsert
from penstock.consumer.modes.base import Bound
from penstock.database import make_engine
from penstock.explain.run import explain, find_bound
from penstock.explain.samples.make import SampleError, make_samples
from penstock.explain.samples.pattern import matching_text
from penstock.explain.samples.values import Generator
from penstock.intents import kind_of
from penstock.testing import MemoryQueue
from shared.intents import EmailRequested, OrderPlaced, OrderStatusChanged, PageViewed, StockAdjusted
from tests.support.explained import SECONDS

metadata = MetaData()
regions = Table(
    "regions",
    metadata,
    Column("country", Text, primary_key=True),
    Column("number", Integer, primary_key=True),
)
customers = Table("customers", metadata, Column("name", String(8), primary_key=True))
sales = Table(
    "sales",
    metadata,
    Column("code", String(6), primary_key=True),
    Column("customer", String(8), ForeignKey("customers.name"), nullable=False),
    Column("country", Text),
    Column("region", Integer),
    Column("amount", Numeric(6, 2)),
    Column("small", SmallInteger),
    Column("lasts", Interval),
    Column("state", Enum("new", "paid", "sent", name="sale_state")),
    Column("sold_at", DateTime(timezone=True), nullable=False),
    ForeignKeyConstraint(["country", "region"], ["regions.country", "regions.number"]),
)


class Sold(WriteIntent, kind="sold"):
    code: str
    customer: str
    country: str
    region: int
    amount: Decimal
    small: int
    lasts: str
    sold_at: AwareDatetime
    state: Literal["new", "paid"]


def bound_of(drain: Drain, intent: type[WriteIntent]) -> Bound:
    found = find_bound(drain.bound(), kind_of(intent))
    assert found is not None
    return found


def custom(intent: type[WriteIntent]) -> tuple[Drain, Bound]:
    drain = Drain(queue=MemoryQueue(), dead_letters=MemoryQueue())
    drain.write(intent, Custom(lambda _connection, _intents: None))
    return drain, bound_of(drain, intent)


def made(intent: type[WriteIntent], engine: Engine, count: int = 20) -> list[Any]:
    """Return the data of some samples of a kind that a function writes."""
    _, bound = custom(intent)
    return [json.loads(body)["data"] for body in make_samples(intent, bound, engine, count, seconds=SECONDS)]


@pytest.fixture
def sold(engine: Engine) -> Drain:
    """A drain of sales, with rows of all tables."""
    metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(insert(customers), [{"name": f"c{n}"} for n in range(3)])
        connection.execute(insert(regions), [{"country": c, "number": n} for c in "ab" for n in (7, 8)])
        row = {"customer": "c1", "country": "b", "region": 8, "sold_at": "2020-01-01T00:00:00Z"}
        connection.execute(insert(sales), [row | {"code": f"old{n}"} for n in range(4)])
    drain = Drain(engine=engine, queue=MemoryQueue(), dead_letters=MemoryQueue())
    drain.write(Sold, Upsert(sales, key="code", version="sold_at"))
    return drain


@pytest.mark.parametrize("intent", [PageViewed, OrderPlaced, OrderStatusChanged, StockAdjusted, EmailRequested])
def test_the_kinds_of_the_shop_have_samples(engine: Engine, intent: type[WriteIntent]) -> None:
    """Each kind of the shop has samples that the drain writes without a fault."""
    bodies = make_samples(intent, bound_of(shop_drain, intent), engine, 30, seconds=SECONDS)
    assert len({json.dumps(json.loads(body)["data"]) for body in bodies}) == 30
    found = explain(shop_drain, engine, kind_of(intent), bodies, seconds=SECONDS)
    assert (found.intents, found.faults) == (30, {})


def test_samples_use_keys_and_parents_that_exist(engine: Engine, sold: Drain) -> None:
    """Half of the keys and all of the parents are those of rows that exist, and all samples are written."""
    bodies = make_samples(Sold, bound_of(sold, Sold), engine, 8, seconds=SECONDS)
    data = [json.loads(body)["data"] for body in bodies]
    assert [one["code"] for one in data[:4]] == ["old0", "old1", "old2", "old3"]
    assert not {one["code"] for one in data[4:]} & {f"old{n}" for n in range(4)}
    assert {one["customer"] for one in data} == {"c0", "c1", "c2"}
    assert {(one["country"], one["region"]) for one in data} == {("a", 7), ("a", 8), ("b", 7), ("b", 8)}
    found = explain(sold, engine, "sold", bodies, seconds=SECONDS)
    assert found.faults == {}
    notes = [note for one in found.statements if one.plan for node in one.plan.root.walk() for note in node.notes]
    assert "4 inserted, 4 in conflict" in notes


def test_the_same_database_gives_the_same_samples(engine: Engine, sold: Drain) -> None:
    """Only ids and times are others in each run."""
    one, other = (make_samples(Sold, bound_of(sold, Sold), engine, 9, seconds=SECONDS) for _ in range(2))
    assert [plain(body) for body in one] == [plain(body) for body in other]


def plain(body: str) -> Any:
    return {name: value for name, value in json.loads(body)["data"].items() if name != "sold_at"}


def test_a_role_that_may_not_read_gets_samples_all_the_same(
    engine: Engine, sold: Drain, database_url: str
) -> None:
    """Without the privilege to read the tables, or without the tables, all values are made up."""
    with engine.begin() as connection:
        connection.execute(text("CREATE ROLE blind LOGIN PASSWORD 'blind'"))
    url = make_engine(database_url).url.set(username="blind", password="blind")
    blind = make_engine(url.render_as_string(hide_password=False))
    try:
        bodies = make_samples(Sold, bound_of(sold, Sold), blind, 5, seconds=SECONDS)
    finally:
        blind.dispose()
        with engine.begin() as connection:
            connection.execute(text("DROP ROLE blind"))
    assert not {json.loads(body)["data"]["customer"] for body in bodies} & {"c0", "c1", "c2"}


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Inner(BaseModel):
    name: str


class Everything(WriteIntent, kind="everything"):
    a: timedelta
    b: bytes
    c: date
    d: time
    e: dict[str, int]
    f: set[str]
    g: tuple[int, str]
    h: list[list[int]]
    i: Any
    j: Colour
    k: Annotated[float, Field(gt=0, lt=1)]
    m: bool
    n: dict[UUID, Literal[1, 2]]
    o: int | str | None
    p: Inner
    q: Annotated[int, Field(multiple_of=7, ge=-100, le=-50)]
    r: Annotated[list[int], Field(min_length=3)]
    s: Annotated[str, Field(min_length=20, max_length=25)]
    t: Annotated[Decimal, Field(max_digits=5, decimal_places=2)]
    u: Annotated[int, Field(ge=10**12)]
    v: Annotated[str, Field(alias="The V")]
    w: None
    x: Annotated[str, Field(pattern=r"^[A-Z]{2}-\d{4}(-(a|b)+)?$")]
    y: AwareDatetime


def test_every_type_has_samples(engine: Engine) -> None:
    """Fields of every type, with limits, patterns and other names, get values that the model accepts."""
    found = made(Everything, engine)
    assert all(re.fullmatch(r"[A-Z]{2}-\d{4}(-(a|b)+)?", one["x"]) for one in found)
    assert all("The V" in one or "v" in one for one in found)


class Endless(BaseModel):
    name: str
    more: "Endless | None" = None
    many: list["Endless"] = []


class Hopeless(BaseModel):
    more: "Hopeless"


def generated(model: type[BaseModel]) -> Any:
    schema = model.model_json_schema()
    return Generator(schema["$defs"], Random(0), datetime.now(UTC)).value(schema)  # noqa: S311


def test_a_model_that_contains_itself_ends() -> None:
    """Where null or an empty list is allowed, the value ends; otherwise the model has no value."""
    Endless.model_validate(generated(Endless))
    with pytest.raises(ValueError, match="contains itself without end"):
        generated(Hopeless)


class Exemplary(WriteIntent, kind="exemplary"):
    code: Annotated[str, Field(examples=["one", "two"])]

    @field_validator("code")
    @classmethod
    def known(cls, value: str) -> str:
        if value not in {"one", "two"}:
            raise ValueError("hunter2")
        return value


class WholeExamples(WriteIntent, kind="whole"):
    model_config = ConfigDict(json_schema_extra={"examples": [{"a": "x", "b": "y"}, {"a": "z", "b": "y"}]})
    a: str
    b: str


def test_examples_are_used(engine: Engine) -> None:
    """The examples of a field, and those of the model, come before what is made up."""
    assert {one["code"] for one in made(Exemplary, engine)} == {"one", "two"}
    assert made(WholeExamples, engine, 3) == [{"a": "x", "b": "y"}, {"a": "z", "b": "y"}, {"a": "x", "b": "y"}]


class Picky(WriteIntent, kind="picky"):
    code: str

    @field_validator("code")
    @classmethod
    def never(cls, _value: str) -> str:
        raise ValueError("hunter2")


class Broken(Picky, kind="broken"):
    @field_validator("code", mode="before")
    @classmethod
    def fails(cls, _value: str) -> str:
        raise KeyError("hunter2")


class RustOnly(WriteIntent, kind="rust"):
    code: Annotated[str, Field(pattern=r"^\p{Greek}+$")]


@pytest.mark.parametrize(
    ("intent", "message"),
    [
        (Picky, "code value_error"),
        (Broken, "a validator failed: KeyError"),
        (RustOnly, "code: the pattern cannot be read"),
    ],
)
def test_a_model_that_refuses_is_named(engine: Engine, intent: type[WriteIntent], message: str) -> None:
    """If the model refuses what is made up, the field is named, and no value."""
    with pytest.raises(SampleError) as raised:
        made(intent, engine, 1)
    assert str(raised.value) == message


@pytest.mark.parametrize(
    "pattern",
    [
        r"^[^@\s]+@[^@\s]+$",
        r"(?:ab|cd){2,3}\d+?x*",
        r"(?P<q>['\"]).(?P=q)",
        r"[^a-z]\w\W\S\D\.",
        r"[\d-]{5}",
        r"[äöü]é",
        r"a{20}",
        r"\s",
        r"",
    ],
)
def test_a_text_matches_its_pattern(pattern: str) -> None:
    """Whatever is repeated, chosen, grouped or excluded, the text matches."""
    for seed in range(20):
        assert re.search(pattern, matching_text(pattern, Random(seed)))  # noqa: S311


def test_a_value_from_the_database_that_the_model_refuses_is_not_used(engine: Engine, sold: Drain) -> None:
    """A key that the model does not accept is made up instead."""
    table = Table("visits", MetaData(), Column("code", Text, primary_key=True), Column("customer", Text))
    table.create(engine)
    with engine.begin() as connection:
        connection.execute(insert(table), [{"code": f"no uuid {n}", "customer": "c"} for n in range(5)])
    drain = Drain(queue=MemoryQueue(), dead_letters=MemoryQueue())

    class Visited(WriteIntent, kind="visited.place"):
        code: Annotated[str, Field(pattern="^[0-9]{3}$")]
        customer: str

    drain.write(Visited, Append(table))
    bodies = make_samples(Visited, bound_of(drain, Visited), engine, 4, seconds=SECONDS)
    assert all(re.fullmatch("[0-9]{3}", json.loads(body)["data"]["code"]) for body in bodies)


def test_unique_columns_get_distinct_values(engine: Engine) -> None:
    """Where a column is unique and short, its values do not repeat, so that Postgres refuses none of them."""
    table = Table("tags", MetaData(), Column("code", String(2), primary_key=True), Column("name", Text))
    drain = Drain(queue=MemoryQueue(), dead_letters=MemoryQueue())

    class Tagged(WriteIntent, kind="tagged"):
        code: str
        name: str

    drain.write(Tagged, Append(table))
    bodies = make_samples(Tagged, bound_of(drain, Tagged), engine, 100, seconds=SECONDS)
    assert len({json.loads(body)["data"]["code"] for body in bodies}) == 100


def test_ids_are_new(engine: Engine) -> None:
    """Each sample has an id of its own, so that the ledger does not know it."""
    _, bound = custom(Exemplary)
    bodies = make_samples(Exemplary, bound, engine, 3, seconds=SECONDS)
    assert len({json.loads(body)["id"] for body in bodies} | {str(uuid4())}) == 4
