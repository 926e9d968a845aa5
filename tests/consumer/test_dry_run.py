"""The dry run: it returns what the drain would do, and leaves the database unchanged."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any
from uuid import UUID

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Column, Connection, Engine, ForeignKey, Integer, MetaData, Table, Text, Uuid, insert, text

from penstock import WriteIntent
from penstock.consumer import Append, Custom, Drain, Fault
from penstock.consumer.dry_run import DryRunOutcome, DryRunResult, dry_run
from penstock.consumer.pipeline.ledger_outcomes import MAX_ATTEMPTS
from penstock.consumer.pipeline.unit_of_work import UnitOfWork
from penstock.database import make_engine
from penstock.intents import encode_envelope, new_id
from penstock.testing import MemoryQueue, sqs_event
from tests.support.consumers import clean, deliver, every_mode
from tests.support.cuts import BATCHES, BEFORE, Cut
from tests.support.drain import Bench, LaterKind, ThingMade
from tests.support.lengths import stepped
from tests.support.modes import outcomes

SECONDS = 60.0


def sealed(intent: WriteIntent, id_: UUID | None = None) -> str:
    return encode_envelope(intent, id=id_ or intent.intent_id, source="/test")


def dump(engine: Engine) -> dict[str, list[str]]:
    """Return all rows of all tables, as text."""
    with engine.connect() as connection:
        names = connection.scalars(
            text("SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r' AND oid >= 16384 ORDER BY 1")
        ).all()
        return {name: sorted(connection.scalars(text(f"SELECT t::text FROM {name} t"))) for name in names}


def words(results: Sequence[DryRunResult]) -> list[str]:
    return [str(result.outcome) for result in results]


@pytest.fixture
def bench(engine: Engine) -> Bench:
    return Bench(engine)


def test_a_dry_run_returns_each_result(bench: Bench) -> None:
    """The result of each envelope is what the drain would do with it, with its fault if it has one."""
    once, taken = ThingMade(name="once"), ThingMade(name="taken")
    assert bench([once, taken]) == []
    bad = ThingMade(name="taken")
    broken = json.loads(sealed(ThingMade(name="x"))) | {"data": {"name": 7}}
    without = {name: value for name, value in broken.items() if name != "data"}
    bodies = [sealed(once), sealed(ThingMade(name="new")), sealed(bad), json.dumps(broken), "no json"]
    bodies += [sealed(LaterKind(x=1)), sealed(ThingMade(name="x", parent="none")), json.dumps(without)]
    before = dump(bench.engine)
    results = dry_run(bench.drain, bench.engine, bodies, seconds=SECONDS)
    assert words(results) == ["duplicate", "applied", "dead", "dead", "dead", "waits", "waits", "dead"]
    assert (results[0].id, results[0].kind, results[0].fault) == (once.intent_id, "thing.made", None)
    assert (results[4].id, results[4].kind) == (None, None)
    fault = results[2].fault
    assert fault is not None
    cause = fault.cause
    assert (cause.sqlstate, cause.constraint, cause.table) == ("23505", "things_name_key", "things")
    assert [str(v.fault) for v in results[3:6]] == [
        "invalid-data: data.name string_type",
        "not-json",
        "unknown-kind",
    ]
    assert dump(bench.engine) == before


def test_a_dry_run_of_a_dead_intent_returns_what_a_replay_would_do(bench: Bench) -> None:
    """A dead intent can be claimed again: the result is what the drain would do now."""
    bench([ThingMade(name="taken")])
    dead = ThingMade(name="taken")
    bench([dead])
    assert bench.outcomes[dead.intent_id] == "dead"
    assert words(dry_run(bench.drain, bench.engine, [sealed(dead)], seconds=SECONDS)) == ["dead"]
    with bench.engine.begin() as connection:
        connection.execute(text("DELETE FROM things"))
    before = dump(bench.engine)
    assert words(dry_run(bench.drain, bench.engine, [sealed(dead)], seconds=SECONDS)) == ["applied"]
    assert dump(bench.engine) == before


def test_a_dry_run_uses_up_no_attempts(bench: Bench) -> None:
    """An orphan waits in every dry run, and the drain still makes all of its attempts."""
    orphan = ThingMade(name="x", parent="none")
    for _ in range(MAX_ATTEMPTS + 1):
        assert words(dry_run(bench.drain, bench.engine, [sealed(orphan)], seconds=SECONDS)) == ["waits"]
    for _ in range(MAX_ATTEMPTS - 1):
        assert len(bench([orphan])) == 1
    assert words(dry_run(bench.drain, bench.engine, [sealed(orphan)], seconds=SECONDS)) == ["dead"]


def test_copies_share_a_result(bench: Bench) -> None:
    """The second of two equal envelopes is a duplicate if the first is written, and at fault if the first is.

    With another payload it is at fault if the first is written, and waits if the first is not.
    """
    bench([ThingMade(name="taken")])
    good, bad = new_id(), new_id()
    bodies = [sealed(ThingMade(name=name), id_) for id_ in (good, bad) for name in ("new", "new", "else")]
    bodies[3:5] = [sealed(ThingMade(name="taken"), bad)] * 2
    results = dry_run(bench.drain, bench.engine, bodies, seconds=SECONDS)
    assert words(results) == ["applied", "duplicate", "dead", "dead", "dead", "waits"]
    reasons = [result.fault and result.fault.cause.reason for result in results]
    assert reasons == [None, None, "id-reused", "UniqueViolation", "UniqueViolation", None]


def test_a_dry_run_of_every_mode_agrees_with_the_drain(engine: Engine) -> None:
    """In every write mode the result is the outcome that the drain then enters, also for stale intents."""
    drain, _ = every_mode(engine)
    clean(engine)
    assert deliver(drain, sqs_event(BEFORE)["Records"]) == []
    before = dump(engine)
    records = sqs_event(BATCHES["two bad"])["Records"]
    results = dry_run(drain, engine, [record["body"] for record in records], seconds=SECONDS)
    assert dump(engine) == before
    assert deliver(drain, records) == []
    settled = outcomes(engine)
    assert {"applied", "stale", "dead", "duplicate"} == set(words(results))
    assert all(v.id and v.outcome in {settled[v.id], DryRunOutcome.DUPLICATE} for v in results)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from(["a", "b", "c"])), min_size=1, max_size=12))
def test_a_dry_run_agrees_with_the_drain(bench: Bench, things: list[tuple[int, str]]) -> None:
    """With any repetitions and conflicts, the drain applies exactly the intents that the dry run says it would."""
    with bench.engine.begin() as connection:
        connection.execute(text("TRUNCATE things, penstock.ledger"))
    ids = [new_id() for _ in range(6)]
    bodies = [sealed(ThingMade(name=name), ids[number]) for number, name in things]
    results = dry_run(bench.drain, bench.engine, bodies, seconds=SECONDS)
    assert bench.outcomes == {}
    bench(bodies)
    landed = {id_ for id_, outcome in bench.outcomes.items() if outcome == "applied"}
    assert {result.id for result in results if result.outcome is DryRunOutcome.APPLIED} == landed


@pytest.mark.parametrize("step", stepped(4))
def test_a_dry_run_that_is_cut_off_leaves_nothing(engine: Engine, step: int) -> None:
    """At whichever statement the connection is cut, the database is unchanged and no result is wrong."""
    drain, _ = every_mode(engine)
    clean(engine)
    assert deliver(drain, sqs_event(BEFORE)["Records"]) == []
    bodies = [record["body"] for record in sqs_event(BATCHES["two bad"])["Records"]]
    before = dump(engine)
    cut = Cut(engine)
    results = words(dry_run(drain, engine, bodies, seconds=SECONDS))
    statements = list(cut.statements)
    assert "COMMIT" not in statements
    for number in range(0, len(statements), step):
        cut.count_to(number, "before" if (number // step) % 2 else "after")
        with suppress(Fault):
            assert words(dry_run(drain, engine, bodies, seconds=SECONDS)) == results
        assert cut.done
        cut.count_to(None, "")
        assert dump(engine) == before, statements[number]


METADATA = MetaData()
BOSSES = Table("bosses", METADATA, Column("name", Text, primary_key=True))
STAFF = Table(
    "staff",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("boss", Text, ForeignKey("bosses.name", deferrable=True, initially="DEFERRED")),
)
COUNTED = Table("counted_dry_runs", METADATA, Column("n", Integer), Column("intent_id", Uuid))


class Hired(WriteIntent, kind="hired"):
    name: str
    boss: str


def _drain(engine: Engine, function: Callable[[Connection, Sequence[Any]], None]) -> Drain:
    METADATA.create_all(engine)
    drain = Drain(engine=engine, queue=MemoryQueue(), dead_letters=MemoryQueue())
    drain.write(Hired, Append(STAFF))
    drain.write(ThingMade, Custom(function))
    return drain


def test_deferred_constraints_are_checked(engine: Engine) -> None:
    """A row that only COMMIT would refuse is refused in a dry run, and only that row is at fault."""
    drain = _drain(engine, lambda _connection, _intents: None)
    with engine.begin() as connection:
        connection.execute(insert(BOSSES).values(name="known"))
    before = dump(engine)
    bodies = [sealed(Hired(name="a", boss="known")), sealed(Hired(name="b", boss="unknown"))]
    results = dry_run(drain, engine, bodies, seconds=SECONDS)
    assert words(results) == ["applied", "waits"]
    assert results[1].fault is not None
    assert results[1].fault.cause.constraint == "staff_boss_fkey"
    assert dump(engine) == before


def test_a_row_that_a_deferred_constraint_allows_is_allowed(engine: Engine) -> None:
    """A row that is written before its parent is applied, as it is when the drain commits both."""

    def hire(connection: Connection, intents: Sequence[ThingMade]) -> None:
        for intent in intents:
            connection.execute(insert(BOSSES).values(name=intent.name))

    drain = _drain(engine, hire)
    bodies = [sealed(Hired(name="a", boss="later")), sealed(ThingMade(name="later"))]
    assert words(dry_run(drain, engine, bodies, seconds=SECONDS)) == ["applied", "applied"]


def _insert(connection: Connection) -> None:
    connection.execute(insert(COUNTED).values(n=1))


@pytest.mark.parametrize(
    "end",
    [
        lambda connection: connection.commit(),
        lambda connection: connection.exec_driver_sql("COMMIT"),
        lambda connection: connection.connection.driver_connection.commit(),
        lambda connection: connection.connection.driver_connection.pgconn.exec_(b"COMMIT"),
        lambda connection: connection.rollback(),
        lambda connection: connection.close(),
    ],
)
def test_a_function_cannot_commit_a_dry_run(engine: Engine, end: Callable[[Connection], None]) -> None:
    """If a function commits, against the rules, Postgres refuses and nothing is committed."""

    def write(connection: Connection, _intents: Sequence[Any]) -> None:
        _insert(connection)
        end(connection)

    drain = _drain(engine, write)
    before = dump(engine)
    with pytest.raises(Fault):
        dry_run(drain, engine, [sealed(ThingMade(name="a"))], seconds=SECONDS)
    assert dump(engine) == before


def test_the_engine_of_a_drain_can_be_used(database_url: str) -> None:
    """An engine that prepares its statements works for several dry runs, and for the drain."""
    engine = make_engine(database_url, pre_ping=False)
    bench = Bench(engine)
    body = sealed(ThingMade(name="a"))
    for _ in range(3):
        assert words(dry_run(bench.drain, engine, [body, "no json"], seconds=SECONDS)) == ["applied", "dead"]
    assert bench([body]) == []
    assert words(dry_run(bench.drain, engine, [body], seconds=SECONDS)) == ["duplicate"]
    engine.dispose()


def test_an_interrupted_dry_run_leaves_nothing(engine: Engine) -> None:
    """Ctrl-C in the middle undoes everything, and the engine can still be used."""

    def interrupt(connection: Connection, _intents: Sequence[Any]) -> None:
        _insert(connection)
        raise KeyboardInterrupt

    drain = _drain(engine, interrupt)
    before = dump(engine)
    with pytest.raises(KeyboardInterrupt):
        dry_run(drain, engine, [sealed(ThingMade(name="a"))], seconds=SECONDS)
    assert dump(engine) == before


@pytest.fixture
def locked(bench: Bench, database_url: str) -> Iterator[None]:
    """Lock the table of things in another transaction."""
    with psycopg.connect(database_url) as connection:
        connection.execute("LOCK TABLE things")
        yield


@pytest.mark.usefixtures("locked")
def test_a_dry_run_gives_up_in_time(bench: Bench) -> None:
    """A dry run that waits for a lock ends within its time, with a fault and no result."""
    with pytest.raises(Fault) as raised:
        dry_run(bench.drain, bench.engine, [sealed(ThingMade(name="a"))], seconds=1.5)
    assert raised.value.cause.reason in {"LockNotAvailable", "QueryCanceled", "DeadlineExceeded"}


def test_a_frozen_dry_run_is_ended_by_postgres(bench: Bench, database_url: str) -> None:
    """The server ends the session of a dry run that falls silent, so that no lock outlives its time."""
    seen: list[str] = []

    def look(connection: Connection, _intents: Sequence[Any]) -> None:
        names = ("idle_in_transaction_session_timeout", "statement_timeout", "lock_timeout")
        seen.extend(str(connection.scalar(text(f"SHOW {name}"))) for name in names)

    drain = _drain(bench.engine, look)
    dry_run(drain, bench.engine, [sealed(ThingMade(name="a"))], seconds=SECONDS)
    assert len(seen) == 3
    assert "0" not in seen
    with bench.engine.connect() as connection:
        assert connection.scalar(text("SHOW idle_in_transaction_session_timeout")) == "0"


def test_a_dry_run_of_nothing_needs_no_database(bench: Bench) -> None:
    """If no envelope can be decoded, the database is not used."""
    away = make_engine("postgresql://nobody@127.0.0.1:1/none")
    assert dry_run(bench.drain, away, [], seconds=SECONDS) == []
    assert words(dry_run(bench.drain, away, ["", "{}"], seconds=SECONDS)) == ["dead", "dead"]


def test_an_unreachable_database_is_a_fault(bench: Bench) -> None:
    """An unreachable database raises a fault, and is no result of an envelope."""
    away = make_engine("postgresql://nobody@127.0.0.1:1/none")
    with pytest.raises(Fault):
        dry_run(bench.drain, away, [sealed(ThingMade(name="a"))], seconds=SECONDS)


def test_an_envelope_without_time_is_unknown(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Envelopes that there was no time to try have the result `unknown`."""
    seen: list[int] = []
    monkeypatch.setattr(UnitOfWork, "out_of_time", lambda _self: bool(seen))
    drain = _drain(bench.engine, lambda _connection, intents: seen.append(len(intents)))
    bodies = [sealed(ThingMade(name=f"thing {n}")) for n in range(1001)]
    results = dry_run(drain, bench.engine, bodies, seconds=SECONDS)
    assert words(results) == ["applied"] * 1000 + ["unknown"]
