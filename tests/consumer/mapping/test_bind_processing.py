"""Values that Python would prepare or make up: the binding is refused, and nothing lands as something else."""

import enum
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import AwareDatetime
from sqlalchemy import (
    ARRAY,
    JSON,
    Column,
    DateTime,
    Engine,
    FetchedValue,
    Integer,
    Interval,
    LargeBinary,
    MetaData,
    PickleType,
    Sequence,
    String,
    Table,
    Text,
    TypeDecorator,
    func,
    select,
)
from sqlalchemy.dialects.postgresql import HSTORE, INT4RANGE, JSONB
from sqlalchemy.types import UserDefinedType

from penstock import WriteIntent
from penstock.consumer import Append, BindingError, Delete, Drain, Increment, Upsert
from penstock.testing import LambdaContext, MemoryQueue, sqs_event


class Kept(WriteIntent, kind="kept"):
    name: str
    secret: Any


class Encrypted(TypeDecorator[str]):
    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, _dialect: Any) -> str | None:
        return value and value[::-1]


class Outer(TypeDecorator[str]):
    impl = Encrypted
    cache_ok = True


class Shouting(String):
    def bind_expression(self, bindvalue: Any) -> Any:
        return func.upper(bindvalue)


class Geometry(UserDefinedType[str]):
    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "text"

    def bind_processor(self, _dialect: Any) -> Any:
        return lambda value: f"SRID=4326;{value}"


class Literal(TypeDecorator[str]):
    impl = Text
    cache_ok = True

    def process_literal_param(self, value: str | None, _dialect: Any) -> str:
        return f"<{value}>"


def _table(type_: Any) -> Table:
    return Table("kept", MetaData(), Column("name", Text, primary_key=True), Column("secret", type_))


@pytest.mark.parametrize(
    ("type_", "hook"),
    [
        (Encrypted, "Encrypted.process_bind_param"),
        (Outer, "Encrypted.process_bind_param"),
        (Shouting, "Shouting.bind_expression"),
        (Geometry, "Geometry.bind_processor"),
        (Literal, "Literal.process_literal_param"),
        (PickleType, "PickleType.bind_processor"),
        (ARRAY(Encrypted), "Encrypted.process_bind_param"),
        (Text().with_variant(Encrypted(), "postgresql"), "Encrypted.process_bind_param"),
    ],
)
def test_a_type_that_changes_values_in_python_is_refused(type_: Any, hook: str) -> None:
    """A type whose class prepares values in Python is refused with its method and the way out."""
    with pytest.raises(BindingError) as caught:
        Append(_table(type_)).bind(Kept)
    message = str(caught.value)
    assert "kind 'kept' (class Kept), table 'kept': field 'secret', column 'secret': the type " in message
    assert f"({hook})" in message
    assert (
        "bind it to a Table that declares the column without this type; or write the kind with Custom" in message
    )


class Code(TypeDecorator[str]):
    impl = String(5)
    cache_ok = True


class Seconds(TypeDecorator[int]):
    impl = Integer
    cache_ok = True


class Document(TypeDecorator[Any]):
    impl = JSON
    cache_ok = True

    def load_dialect_impl(self, dialect: Any) -> Any:
        return dialect.type_descriptor(JSONB())


class Bytes(TypeDecorator[bytes]):
    impl = LargeBinary
    cache_ok = True


class Wrapped(WriteIntent, kind="wrapped"):
    code: str
    seconds: int
    document: dict[str, int]
    raw: bytes
    codes: list[str]


def test_a_type_that_only_wraps_counts_as_what_it_wraps(engine: Engine) -> None:
    """A TypeDecorator without a method of its own is written, checked and added to as the type that it wraps."""
    table = Table(
        "wrapped",
        MetaData(),
        Column("code", Code, primary_key=True),
        Column("seconds", Seconds, nullable=False),
        Column("document", Document),
        Column("raw", Bytes),
        Column("codes", ARRAY(Code)),
    )
    table.create(engine)
    intent = Wrapped(code="a", seconds=3, document={"b": 1}, raw=b"\x00\xff", codes=["x"])
    _drain(engine, Append(table), intent)
    with engine.connect() as connection:
        assert connection.execute(select(table)).one() == ("a", 3, {"b": 1}, b"\x00\xff", ["x"])

    class Added(WriteIntent, kind="added"):
        code: str
        seconds: int

    _drain(engine, Increment(table, key="code", add={"seconds": "seconds"}), Added(code="a", seconds=4))
    with engine.connect() as connection:
        assert connection.execute(select(table.c.seconds)).scalar_one() == 7

    class Wrong(WriteIntent, kind="wrong"):
        code: int
        seconds: str

    with pytest.raises(BindingError, match="str cannot be stored in Integer"):
        Append(table).bind(Wrong)


class State(enum.Enum):
    OPEN = "open"


class Named(WriteIntent, kind="named"):
    name: str
    size: int


class Placed(WriteIntent, kind="placed"):
    name: str
    size: int
    at: AwareDatetime


class Gone(WriteIntent, kind="gone"):
    name: str
    at: AwareDatetime


def _things(*columns: Column[Any]) -> Table:
    return Table(
        "things",
        MetaData(),
        Column("name", Text, primary_key=True),
        Column("size", Integer),
        Column("at", DateTime(timezone=True)),
        *columns,
    )


@pytest.mark.parametrize("default", ["new", lambda: "new", func.now(), Sequence("states")])
def test_a_default_of_pythons_is_refused(default: Any) -> None:
    """A column without a field and with a default that only SQLAlchemy knows is refused: it would land as NULL."""
    table = _things(Column("state", Text, default=default))
    for mode in (
        Append(table, {"at": "intent_time"}),
        Upsert(table, key="name", version="at", columns={"at": "intent_time"}),
        Increment(table, key="name", add={"size": "size"}),
    ):
        with pytest.raises(
            BindingError, match=r"'state' gets no field, and its `default`.* give it a server_default"
        ):
            mode.bind(Named)


def test_an_onupdate_is_refused_where_rows_are_updated(engine: Engine) -> None:
    """A column with `onupdate` is refused for an upsert and an increment, and stays as it is under an append."""
    table = _things(Column("changed", DateTime(timezone=True), server_default=func.now(), onupdate=func.now()))
    for mode, intent in (
        (Upsert(table, key="name", version="at"), Placed),
        (Increment(table, key="name", add={"size": "size"}), Named),
    ):
        with pytest.raises(
            BindingError, match=r"'changed' gets no field, and its `onupdate`.* bind a field to it"
        ):
            mode.bind(intent)
    table.create(engine)
    at = datetime(2026, 1, 1, tzinfo=UTC)
    _drain(engine, Append(table), Placed(name="a", size=1, at=at))
    _drain(engine, Delete(table, key="name", version="at"), Gone(name="a", at=at))
    with engine.connect() as connection:
        assert connection.execute(select(table)).all() == []


def test_what_postgres_fills_is_no_default_of_pythons(engine: Engine) -> None:
    """A server default, a sequence of a serial and a trigger that is declared are accepted."""
    table = _things(
        Column("state", Text, default="python", server_default="postgres"),
        Column("number", Integer, Sequence("things_number", optional=True), server_default="7"),
        Column("changed", DateTime(timezone=True), server_default=FetchedValue(), server_onupdate=FetchedValue()),
    )
    table.create(engine)
    _drain(engine, Upsert(table, key="name", version="at"), Placed(name="a", size=1, at=datetime.now(UTC)))
    with engine.connect() as connection:
        assert connection.execute(select(table.c.state, table.c.number)).one() == ("postgres", 7)


@pytest.mark.parametrize("type_", [HSTORE, INT4RANGE, Interval])
def test_an_object_does_not_fit_a_text_of_its_own_form(type_: Any) -> None:
    """A dict is refused for a type that Postgres reads from a text of another form."""

    class Described(WriteIntent, kind="described"):
        name: str
        secret: dict[str, str]

    with pytest.raises(BindingError, match="object cannot be stored in"):
        Append(_table(type_)).bind(Described)


def _drain(engine: Engine, mode: Any, *intents: WriteIntent) -> None:
    drain = Drain(engine=engine, queue=MemoryQueue(), dead_letters=MemoryQueue())
    drain.write(type(intents[0]), mode)
    assert drain.handler(sqs_event(intents), LambdaContext()) == {"batchItemFailures": []}
