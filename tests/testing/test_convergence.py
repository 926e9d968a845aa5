"""The law of order, held against bindings that keep it and functions that break it."""

from collections.abc import Iterator, Sequence

import pytest
from hypothesis import strategies as st
from sqlalchemy import (
    Column,
    Computed,
    Connection,
    DateTime,
    Engine,
    ForeignKey,
    Identity,
    Integer,
    MetaData,
    Table,
    Text,
    func,
    insert,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from penstock import WriteIntent
from penstock.consumer import Append, Custom, Drain, Increment
from penstock.testing import Convergence, OrderMatters
from tests.support.modes import Adjusted, changed, make_drain, placed, removed

metadata = MetaData()
owners = Table("owners", metadata, Column("name", Text, primary_key=True))
tallies = Table(
    "tallies",
    metadata,
    Column("name", Text, ForeignKey("owners.name"), primary_key=True),
    Column("count", Integer),
    Column("twice", Integer, Computed("count * 2")),
)
notes = Table(
    "notes",
    metadata,
    Column("id", Integer, Identity(always=True), primary_key=True),
    Column("said", Text),
    Column("written_at", DateTime(timezone=True), server_default=func.clock_timestamp()),
)


class Base(DeclarativeBase):
    metadata = metadata


class Remark(Base):
    __tablename__ = "remarks"
    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    said: Mapped[str]


class Counted(WriteIntent, kind="tally.counted"):
    name: str
    count: int


class OwnerMade(WriteIntent, kind="owner.made"):
    name: str


class Said(WriteIntent, kind="note.said"):
    said: str


def last_wins(connection: Connection, intents: Sequence[Counted]) -> None:
    for intent in intents:
        row = upsert(tallies).values(name=intent.name, count=intent.count)
        connection.execute(row.on_conflict_do_update(index_elements=["name"], set_={"count": intent.count}))


def greatest_of_the_batch_wins(connection: Connection, intents: Sequence[Counted]) -> None:
    last_wins(connection, sorted(intents, key=lambda intent: intent.count))


def drain_of(intent: type[WriteIntent], mode: Append | Custom | Increment) -> Drain:
    drain = Drain()
    drain.write(intent, mode)
    return drain


@pytest.fixture(autouse=True)
def owner(penstock_engine: Engine) -> Iterator[None]:
    """The tables, with a row that foreign keys need, and nothing else when the test has ended."""
    metadata.create_all(penstock_engine)
    with penstock_engine.begin() as connection:
        connection.execute(insert(owners).values(name="a"))
    yield
    with penstock_engine.connect() as connection:
        assert connection.scalars(select(owners.c.name)).all() == ["a"]
        assert connection.execute(select(func.count()).select_from(text("penstock.ledger"))).scalar() == 0


@pytest.mark.slow
def test_the_write_modes_converge(penstock_engine: Engine, penstock_converges: Convergence) -> None:
    """Upsert, delete and increment in one drain leave the same rows, however their intents are delivered."""
    drain, _ = make_drain(penstock_engine)
    penstock_converges(drain, [placed(1), changed(2), removed(3), Adjusted(sku="s", delta=2)])


def test_the_last_one_wins_is_found(penstock_converges: Convergence) -> None:
    """Of many intents, the failure names the two whose order matters, and both results."""
    drain = drain_of(Counted, Custom(last_wins))
    with pytest.raises(OrderMatters) as raised:
        penstock_converges(drain, [Counted(name="a", count=1), Counted(name="a", count=1), *counts(2, 1)])
    assert str(raised.value).splitlines() == [
        "how these intents are delivered matters, and it must not:",
        "  1: Counted(name='a', count=2)",
        "  2: Counted(name='a', count=1)",
        'delivered as [1, 2], they leave in tallies: {"name": "a", "count": 1, "twice": 2}',
        'delivered as [2, 1], they leave in tallies: {"name": "a", "count": 2, "twice": 4}',
    ]


def test_what_only_batches_decide_is_found(penstock_converges: Convergence) -> None:
    """A function that is right within each batch fails, and the failure shows the two batches."""
    with pytest.raises(OrderMatters, match=r"delivered as \[2\] then \[1\], they leave in tallies"):
        penstock_converges(drain_of(Counted, Custom(greatest_of_the_batch_wins)), counts(1, 2))


def test_hypothesis_finds_the_smallest_intents(penstock_converges: Convergence) -> None:
    """A strategy's failure has two intents, with the simplest values that differ."""
    some = st.lists(st.builds(Counted, name=st.just("a"), count=st.integers(-99, 99)), max_size=5)
    with pytest.raises(OrderMatters) as raised:
        penstock_converges(drain_of(Counted, Custom(last_wins)), some)
    lines = str(raised.value).splitlines()
    assert [line.strip() for line in sorted(lines[1:3])] in (
        ["1: Counted(name='a', count=0)", "2: Counted(name='a', count=1)"],
        ["1: Counted(name='a', count=1)", "2: Counted(name='a', count=0)"],
    )
    assert len(lines) == 5


@pytest.mark.slow
def test_a_strategy_that_converges_passes(penstock_converges: Convergence) -> None:
    """An increment passes with generated intents, some of which are refused in every order."""
    some = st.lists(st.builds(Counted, name=st.sampled_from(["a", "nobody"]), count=st.integers(0, 9)), max_size=3)
    penstock_converges(drain_of(Counted, Increment(tallies, key="name", add={"count": "count"})), some)


def test_what_waits_for_a_parent_is_delivered_again(penstock_converges: Convergence) -> None:
    """A child that arrives before its parent lands in each order."""
    drain = drain_of(OwnerMade, Append(owners))
    drain.write(Counted, Increment(tallies, key="name", add={"count": "count"}))
    penstock_converges(drain, [OwnerMade(name="b"), Counted(name="b", count=1), Counted(name="a", count=1)])


def test_columns_that_the_database_fills_are_left_out(penstock_converges: Convergence) -> None:
    """A serial number and a time differ in each delivery: that fails, unless both columns are ignored."""
    drain, said = drain_of(Said, Append(notes)), [Said(said="x"), Said(said="y")]
    with pytest.raises(OrderMatters):
        penstock_converges(drain, said)
    with pytest.raises(OrderMatters):
        penstock_converges(drain, said, ignore=[notes.c.id])
    penstock_converges(drain, said, ignore=[notes.c.id, notes.c.written_at])


def test_columns_of_a_declarative_class_are_left_out(penstock_converges: Convergence) -> None:
    """An attribute of a declarative class names its column."""
    penstock_converges(drain_of(Said, Append(Remark)), [Said(said="x"), Said(said="y")], ignore=[Remark.id])


def test_rows_of_the_test_are_there_each_time(penstock_engine: Engine, penstock_converges: Convergence) -> None:
    """Rows with identities, generated columns and triggers are put back as they were, whatever the drain did."""
    with penstock_engine.begin() as connection:
        connection.execute(insert(tallies).values(name="a", count=40))
        connection.execute(insert(notes).values(said="before"))
        connection.execute(
            text("CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'")
        )
        connection.execute(text("CREATE TRIGGER t BEFORE DELETE ON tallies FOR EACH ROW EXECUTE FUNCTION f()"))
        before = [connection.execute(select(table)).all() for table in (tallies, notes)]
    drain = drain_of(Counted, Increment(tallies, key="name", add={"count": "count"}))
    penstock_converges(drain, counts(1, 1))
    with pytest.raises(OrderMatters, match=r'"twice": 10}\n.*"twice": 12}'):
        penstock_converges(drain_of(Counted, Custom(last_wins)), counts(6, 5))
    with penstock_engine.connect() as connection:
        assert [connection.execute(select(table)).all() for table in (tallies, notes)] == before


def test_nothing_written_is_an_error(penstock_converges: Convergence) -> None:
    """If every intent is refused, or there is none, nothing was compared, and that does not pass."""
    drain = drain_of(Counted, Increment(tallies, key="name", add={"count": "count"}))
    nobody = Counted(name="nobody", count=1)
    for intents in ([], [nobody]):
        with pytest.raises(ValueError, match="nothing was compared"):
            penstock_converges(drain, intents)


@pytest.mark.slow
def test_no_example_written_is_an_error(penstock_converges: Convergence) -> None:
    """If every intent of every example is refused, that does not pass either."""
    drain = drain_of(Counted, Increment(tallies, key="name", add={"count": "count"}))
    with pytest.raises(ValueError, match="nothing was compared"):
        penstock_converges(drain, st.just([Counted(name="nobody", count=1)]))


def counts(*numbers: int) -> list[Counted]:
    return [Counted(name="a", count=number) for number in numbers]
