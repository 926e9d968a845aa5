"""The write modes: what each leaves in its table, in any order."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import AwareDatetime
from sqlalchemy import (
    Column,
    Connection,
    DateTime,
    Engine,
    Float,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    event,
    select,
    text,
)

from penstock import WriteIntent
from penstock.consumer import Append, BindingError, Drain, Increment, Upsert
from penstock.testing import LambdaContext, sqs_event
from tests.support.lengths import sampled
from tests.support.modes import (
    KEY,
    Adjusted,
    Bench,
    Changed,
    Mailed,
    Placed,
    at,
    changed,
    make_drain,
    moments,
    numbers,
    orders,
    outbox,
    outcomes,
    placed,
    removed,
    stock,
    words,
)


def rows(engine: Engine, table: Table) -> list[tuple[Any, ...]]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key.columns))]


@pytest.fixture
def bench(engine: Engine) -> Bench:
    return Bench(engine)


def test_the_newest_version_wins(bench: Bench) -> None:
    """An older version that arrives later, in a batch or in the table, changes nothing and is stale."""
    intents = placed(1, "a"), placed(3, "c"), placed(2, "b")
    bench(*intents)
    late, newer = placed(2, "late"), placed(4, "d")
    bench(late)
    assert bench.outcomes(*intents, late) == ["stale", "applied", "stale", "stale"]
    assert rows(bench.engine, orders) == [("eu", 1, "c", None, at(3), None, None)]
    bench(newer)
    assert rows(bench.engine, orders) == [("eu", 1, "d", None, at(4), None, None)]


def test_groups_of_columns_have_versions_of_their_own(bench: Bench) -> None:
    """A status that arrives before its order, and is newer, is kept together with the order."""
    bench(changed(9, "shipped"))
    bench(placed(1, "c"), changed(8, "paid"))
    assert rows(bench.engine, orders) == [("eu", 1, "c", None, at(1), "shipped", at(9))]


@pytest.mark.parametrize("order", [1, -1])
def test_equal_versions_are_settled_by_their_values(bench: Bench, order: int) -> None:
    """The same one of two intents of equal versions wins, in one batch and in two."""
    first, second = [placed(1, "a", note="x"), placed(1, "a")][::order]
    bench(first)
    bench(second)
    alone = rows(bench.engine, orders)
    pair = [placed(1, "a", number=2, note="x"), placed(1, "a", number=2)][::order]
    bench(*pair)
    assert [row[2:] for row in rows(bench.engine, orders)] == [alone[0][2:]] * 2


def test_increments_add_up(bench: Bench) -> None:
    """Numbers are added to the row of their key, negative ones too; a missing row starts from its increments."""
    bench(Adjusted(sku="a", delta=5, worth=2), Adjusted(sku="a", delta=-2), Adjusted(sku="b", delta=1))
    bench(Adjusted(sku="a", delta=-10))
    assert [(sku, quantity) for sku, quantity, _ in rows(bench.engine, stock)] == [("a", -7), ("b", 1)]


def test_an_increment_is_checked_against_the_row_that_it_makes(bench: Bench) -> None:
    """A constraint is checked against the new sum of the row, not against the increment alone."""
    with bench.engine.begin() as connection:
        connection.execute(text('ALTER TABLE "Our Stock" ADD CHECK (quantity >= 0)'))
    bench(Adjusted(sku="a", delta=5))
    bench(Adjusted(sku="a", delta=-4))
    too_much = Adjusted(sku="a", delta=-4)
    bench(too_much, Adjusted(sku="b", delta=1))
    assert [(sku, quantity) for sku, quantity, _ in rows(bench.engine, stock)] == [("a", 1), ("b", 1)]
    assert bench.outcomes(too_much) == ["dead"]


def test_what_is_deleted_stays_deleted(bench: Bench) -> None:
    """A row is deleted, an older version that arrives late does not bring it back, and a newer one does."""
    bench(placed(1))
    gone, late = removed(5), placed(4, "late")
    bench(gone)
    bench(late)
    assert rows(bench.engine, orders) == []
    assert bench.outcomes(gone, late) == ["applied", "stale"]
    bench(placed(6, "again"))
    assert rows(bench.engine, orders) == [("eu", 1, "again", None, at(6), None, None)]


def test_a_deletion_before_its_row_counts(bench: Bench) -> None:
    """A deletion that arrives first prevents an older row, and a deletion that is too old does nothing."""
    bench(removed(5))
    bench(placed(4))
    assert rows(bench.engine, orders) == []
    bench(placed(7, number=2))
    old = removed(6, number=2)
    bench(old)
    assert bench.outcomes(old) == ["stale"]
    assert len(rows(bench.engine, orders)) == 1


def test_a_deletion_empties_the_columns_that_are_older(bench: Bench) -> None:
    """If one group of columns is newer than the deletion, the row stays and the other group is set to null."""
    bench(placed(1), changed(9, "shipped"))
    bench(removed(5))
    assert rows(bench.engine, orders) == [("eu", 1, None, None, None, "shipped", at(9))]


def test_a_function_of_the_services_own_writes_in_the_same_transaction(bench: Bench) -> None:
    """Each intent reaches the function with its id, once; refused ones are dead-lettered, others are written."""
    good, bad, never = Mailed(what="good"), Mailed(what="bad"), Mailed(what="never")
    bench(good, bad, never)
    bench(good)
    assert rows(bench.engine, outbox) == [(good.intent_id, "good")]
    assert bench.outcomes(good, bad, never) == ["applied", "dead", "dead"]
    assert "hunter2" not in str(bench.dead.messages)


def test_a_function_that_only_fails_is_not_the_datas_fault(bench: Bench) -> None:
    """If none of its intents is written, an error of the function sends them back to the queue."""
    event_ = sqs_event([Mailed(what="bad"), Adjusted(sku="a", delta=1)])
    answer = bench.drain.handler(event_, LambdaContext())
    assert answer["batchItemFailures"] == [{"itemIdentifier": event_["Records"][0]["messageId"]}]
    assert bench.dead.messages == []
    assert len(rows(bench.engine, stock)) == 1


statements: st.SearchStrategy[WriteIntent] = (
    st.builds(placed, moments, words, numbers, st.none() | words)
    | st.builds(changed, moments, words, numbers)
    | st.builds(removed, moments, numbers)
    | st.builds(Adjusted, sku=words, delta=st.integers(-5, 5))
    | st.builds(Mailed, what=words)
)


def _clean(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(
            text('TRUNCATE "Our Orders", "Our Stock", our_outbox, penstock.ledger, penstock.tombstone')
        )


def _batches(intents: list[WriteIntent], chance: random.Random) -> Iterator[list[Any]]:
    """Return batches that deliver each intent twice, in any order, cut anywhere."""
    records = sqs_event([*intents, *intents])["Records"]
    chance.shuffle(records)
    cuts = sorted(chance.randrange(len(records) + 1) for _ in range(chance.randrange(5)))
    for start, end in pairwise([0, *cuts, len(records)]):
        yield records[start:end]


def _deliver(drain: Drain, records: list[Any]) -> None:
    """Deliver a batch, and its failed messages again, until none fails."""
    for _ in range(5):
        answer = drain.handler({"Records": records}, LambdaContext())
        failed = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
        records = [record for record in records if record["messageId"] in failed]
    assert records == []


@contextmanager
def _rolled_back_once(engine: Engine, chance: random.Random) -> Iterator[None]:
    """Make one commit fail, so that its batch is delivered again."""
    left = [chance.randrange(4)]

    def fail(connection: Connection) -> None:
        left[0] -= 1
        if left[0] == 0:
            connection.exec_driver_sql("SELECT pg_terminate_backend(pg_backend_pid())")

    event.listen(engine, "commit", fail)
    try:
        yield
    finally:
        event.remove(engine, "commit", fail)


@pytest.mark.parametrize("examples", sampled(15, 300))
def test_order_does_not_matter(engine: Engine, examples: int) -> None:
    """Any permutation of intents, each repeated, cut into any batches, with rollbacks, leaves the same tables."""

    @settings(max_examples=examples)
    @given(intents=st.lists(statements, max_size=14), seed=st.integers())
    def try_out(intents: list[WriteIntent], seed: int) -> None:
        left: list[Any] = []
        for shuffle in (random.Random(seed), random.Random(seed + 1), random.Random(seed + 2)):  # noqa: S311
            drain, dead = make_drain(engine)
            _clean(engine)
            with _rolled_back_once(engine, shuffle):
                for batch in _batches(intents, shuffle):
                    _deliver(drain, batch)
            assert dead.messages == []
            assert outcomes(engine).keys() == {intent.intent_id for intent in intents}
            left.append([rows(engine, table) for table in (orders, stock, outbox)])
        assert left[0] == left[1] == left[2]

    try_out()


PLACED = {"placed_at": "at"}
floats = Table("f", MetaData(), Column("sku", Text, primary_key=True), Column("n", Float), Column("m", Integer))
FLOAT = "field 'delta', column 'n': an Increment needs an integer or a numeric, not FLOAT: change the type"
WRONG: list[tuple[Callable[[], Any], type[WriteIntent], str]] = [
    (
        lambda: Upsert(orders, key="number", version="placed_at", columns=PLACED),
        Placed,
        "makes the key 'number' unique: declare a",
    ),
    (
        lambda: Upsert(orders, key=KEY, version="changed_at", columns=PLACED),
        Placed,
        "column 'changed_at' of the key or the version gets no field: add a field",
    ),
    (
        lambda: Upsert(orders, key=KEY, version="note", columns=PLACED),
        Placed,
        "field 'note' may be None, but column 'note' .* make the field required",
    ),
    (lambda: Increment(floats, key="sku", add={"n": "delta", "m": "worth"}), Adjusted, FLOAT),
    (lambda: Increment(stock, key="sku", add={"quantity": "delta"}), Adjusted, "'worth' has no column: add"),
]


@pytest.mark.parametrize(("make", "intent", "fault"), WRONG)
def test_a_mode_that_cannot_work_is_refused(
    make: Callable[[], Any], intent: type[WriteIntent], fault: str
) -> None:
    """A mode that does not agree with its intent or its table gives one clear error when it is bound."""
    with pytest.raises(BindingError, match=fault):
        Drain().write(intent, make())


def test_modes_that_do_not_commute_are_refused() -> None:
    """A mode whose result would depend on the order, given the other kinds of its table, is refused."""
    drain = Drain()
    drain.write(Placed, Upsert(orders, key=KEY, version="placed_at", columns={"placed_at": "at"}))

    class Noted(WriteIntent, kind="noted"):
        region: str
        number: int
        note: str
        changed_at: AwareDatetime

    with pytest.raises(
        BindingError,
        match=r"kind 'noted' .* column 'note' is written by another upsert, too, .* must write the same columns",
    ):
        drain.write(Noted, Upsert(orders, key=KEY, version="changed_at"))
    with pytest.raises(
        BindingError,
        match=r"kind 'placed' .* kind 'changed' writes the same table, and only one of the two is an Append",
    ):
        drain.write(Changed, Append(orders))
    drain.write(Changed, Upsert(orders, key=KEY, version="changed_at"))


def test_a_unique_index_makes_a_key(engine: Engine) -> None:
    """A unique index makes a key; a partial unique index does not."""
    for where, works in ((None, True), (text("number > 0"), False)):
        table = Table(
            "t", MetaData(), Column("region", Text, nullable=False), Column("number", Integer, nullable=False)
        )
        table.append_column(Column("status", Text))
        table.append_column(Column("changed_at", DateTime(timezone=True)))
        Index("i", table.c.region, table.c.number, unique=True, postgresql_where=where)
        mode = Upsert(table, key=KEY, version="changed_at")
        if works:
            Drain().write(Changed, mode)
        else:
            with pytest.raises(BindingError, match="nothing in the table makes the key 'region', 'number' unique"):
                Drain().write(Changed, mode)
