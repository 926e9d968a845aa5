"""The search for the intents that Postgres refuses: few round trips, and all others are written."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Connection, Engine, text

from penstock.consumer.batch import Batch, Item
from penstock.consumer.pipeline.transaction import WriteStrategy
from penstock.consumer.pipeline.unit_of_work import UnitOfWork
from penstock.consumer.rehearsal import rehearse
from penstock.intents import encode_envelope
from tests.support.drain import Bench, ThingMade
from tests.support.statements import recorded, watch_trips

RAISES = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN IF NEW.name LIKE 'bad%' THEN RAISE 'no'; END IF; RETURN NEW; END $$;
CREATE TRIGGER refuse BEFORE INSERT ON things FOR EACH ROW EXECUTE FUNCTION refuse()
"""
"""The error has no value of the row."""
CHECKS = "ALTER TABLE things ADD CHECK (name NOT LIKE 'bad%')"
"""The error has the row."""


@pytest.fixture
def bench(engine: Engine) -> Bench:
    made = Bench(engine)
    assert made([ThingMade(name="first")]) == []
    return made


@pytest.fixture
def trips(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Have one entry for each wait for the network in a round trip of several statements."""
    waits: list[int] = []
    monkeypatch.setattr(UnitOfWork, "note_wait", lambda _: waits.append(1))
    return waits


def prepare(bench: Bench, statements: str) -> None:
    with bench.engine.begin() as connection:
        connection.execute(text(statements))


def things(count: int, bad: set[int]) -> list[ThingMade]:
    return [ThingMade(name=f"{'bad' if n in bad else 'good'} thing {n}") for n in range(count)]


@pytest.mark.parametrize(
    ("refuses", "bad", "most"),
    [
        (CHECKS, {450}, 3),
        (CHECKS, {50 + 100 * n for n in range(10)}, 4),
        (CHECKS, {98, 99, 100, 101}, 5),
        (RAISES, {450}, 4),
        (RAISES, {50 + 100 * n for n in range(10)}, 5),
    ],
)
def test_few_trips_find_them(bench: Bench, trips: list[int], refuses: str, bad: set[int], most: int) -> None:
    """The refused set is sent once more without the suspect, which stands alone; so are many sets at once."""
    prepare(bench, refuses)
    batch = things(1000, bad)
    assert bench(batch) == []
    assert len(trips) <= most
    assert len(bench.names) == 1 + 1000 - len(bad)
    assert len(bench.letters) == len(bad)
    assert {bench.outcomes[batch[n].intent_id] for n in bad} == {"dead"}


def test_a_suspect_is_not_at_fault_unless_it_is_refused_alone(bench: Bench) -> None:
    """An error whose values are those of another intent is a false trail: that other one is written."""
    prepare(
        bench,
        """
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN IF NEW.name LIKE 'bad%' THEN
                RAISE check_violation USING DETAIL = 'Failing row contains (good thing 3, good thing 33).';
            END IF; RETURN NEW; END $$;
        CREATE TRIGGER refuse BEFORE INSERT ON things FOR EACH ROW EXECUTE FUNCTION refuse()
        """,
    )
    batch = things(150, {7})
    assert bench(batch) == []
    assert len(bench.names) == 150
    assert [letter.fault for letter in bench.letters] == ["DataFault"]
    assert bench.outcomes[batch[7].intent_id] == "dead"


def test_a_batch_of_refused_intents_ends(bench: Bench, trips: list[int]) -> None:
    """If very many are refused the deployment may be at fault: the search ends, and the isolating path decides."""
    prepare(bench, CHECKS)
    batch = things(500, {*range(20, 500)})
    bench(batch)
    assert len(trips) <= 30
    assert len(bench.names) == 21


def test_what_was_written_before_stays(bench: Bench) -> None:
    """A refused set does not make those before it be sent again."""
    prepare(bench, CHECKS)
    statements = recorded(bench.engine)
    assert bench(things(300, {250})) == []
    # Three parts, the third one without its suspect, and that alone.
    assert sum("penstock_written" in one and "penstock_skipped" in one for one in statements) == 5


def claims_in(statements: list[str]) -> int:
    return sum("ON CONFLICT" in one and "penstock_claimed" in one for one in statements)


@pytest.mark.parametrize(("size", "claims"), [(1, 1), (2**31, 2)], ids=["claimed", "refused, too"])
def test_what_is_refused_alone_is_claimed_behind_that(bench: Bench, size: int, claims: int) -> None:
    """It is claimed in the same trip, unless Postgres refuses that, too: then the isolating path tries."""
    prepare(bench, CHECKS)
    statements, in_trips = recorded(bench.engine), list[str]()
    watch_trips(bench.engine, lambda _, text: in_trips.append(text))
    batch = things(300, {250})
    batch[250] = batch[250].model_copy(update={"size": size})
    assert bench(batch) == []
    assert (claims_in(in_trips), claims_in(statements)) == (1, claims)
    assert bench.outcomes[batch[250].intent_id] == "dead"
    assert len(bench.names) == 300


def test_a_search_leaves_nothing_to_the_garbage_collector(bench: Bench) -> None:
    """No circle of references holds the batch, which the collector would look at as a whole."""
    prepare(bench, CHECKS)
    gc.collect()
    gc.disable()
    try:
        batch = things(300, {50, 250})
        assert bench(batch) == []
        left = {item.identity for item in gc.get_objects() if isinstance(item, Item)}
        assert not left & {("thing.made", str(thing.intent_id)) for thing in batch}
    finally:
        gc.enable()


def test_a_small_batch_takes_one_transaction_id(bench: Bench) -> None:
    """A savepoint in which rows are written has a transaction id of its own: a batch of one part has none."""

    def next_id() -> int:
        with bench.engine.connect() as connection:
            return int(connection.scalar(text("SELECT pg_snapshot_xmax(pg_current_snapshot())::text")) or "")

    before = next_id()
    assert bench(things(50, set())) == []
    assert next_id() == before + 1


def test_what_was_done_before_the_batch_stays(bench: Bench) -> None:
    """A search does not roll back what the transaction held before it, such as the guard of a trial."""
    prepare(bench, CHECKS)
    seen: list[str] = []

    @contextmanager
    def watch(connection: Connection, _: Batch) -> Iterator[None]:
        connection.execute(text("SELECT set_config('test.before', 'here', true)"))
        yield
        seen.append(connection.scalar(text("SELECT current_setting('test.before', true)")) or "")

    bodies = [encode_envelope(thing, id=thing.intent_id, source="/test") for thing in things(3, {1})]
    batch = rehearse(bench.drain, bench.engine, bodies, watch, seconds=20, strategy=WriteStrategy.ONE_TRIP)
    assert seen == ["here"]
    assert [item.fault is not None for item in batch.items] == [False, True, False]


def test_a_large_transaction_has_few_savepoints(bench: Bench) -> None:
    """Postgres keeps 64 subtransactions of a session at hand; a clean batch of any size has fewer."""
    statements = recorded(bench.engine)
    assert bench(things(5000, set())) == []
    assert sum(one.startswith("SAVEPOINT") for one in statements) <= 20
