"""The session of the database: what the drain pins, and what a function of the service's leaves in it."""

from collections.abc import Callable, Iterator, Sequence

import psycopg
import pytest
from sqlalchemy import Column, Connection, Engine, MetaData, Table, Text, Uuid, event, select, text

from penstock import WriteIntent
from penstock.consumer import Append, Custom, Drain
from penstock.database import make_engine
from penstock.testing import LambdaContext, MemoryQueue, sqs_event
from tests.support.pgbouncer import pgbouncer

metadata = MetaData()
notes = Table("notes", metadata, Column("intent_id", Uuid, primary_key=True), Column("text", Text))


class NoteTaken(WriteIntent, kind="note.taken"):
    text: str


class SomethingDone(WriteIntent, kind="something.done"):
    what: str


def do(connection: Connection, intents: Sequence[SomethingDone]) -> None:
    for intent in intents:
        connection.exec_driver_sql(intent.what)


@pytest.fixture(params=["direct", "pooled"])
def url(database_url: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """The database, directly and through a PgBouncer with one connection."""
    if request.param == "direct":
        yield database_url
    else:
        with pgbouncer(database_url, pool_size=1) as pooled:
            yield pooled


@pytest.fixture
def make_drain(url: str, engine: Engine) -> Iterator[Callable[..., Drain]]:
    made = []
    metadata.create_all(engine)

    def make(*on_connect: str) -> Drain:
        drains = make_engine(url, pre_ping=False)
        made.append(drains)

        def connected(driver: psycopg.Connection, _record: object) -> None:
            for statement in on_connect:
                driver.execute(statement.encode())
            driver.commit()

        event.listen(drains, "connect", connected)
        drain = Drain(engine=drains, queue=MemoryQueue(), dead_letters=MemoryQueue())
        drain.write(NoteTaken, Append(notes))
        drain.write(SomethingDone, Custom(do))
        return drain

    yield make
    for one in made:
        one.dispose()


def drained(drain: Drain, *intents: WriteIntent | str) -> bool:
    return drain.handler(sqs_event(intents), LambdaContext()) == {"batchItemFailures": []}


def texts(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return sorted(connection.scalars(select(notes.c.text)))


def add_trigger(connection: Connection, name: str, action: str) -> None:
    body = f"BEGIN {action}; RETURN NEW; END"
    connection.execute(text(f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$"))
    connection.execute(text(f"CREATE TRIGGER t BEFORE INSERT ON notes FOR EACH ROW EXECUTE FUNCTION {name}()"))


LEFT_BEHIND = [
    "SET search_path TO elsewhere",
    "SET LOCAL search_path TO elsewhere",
    "CREATE TEMP TABLE notes (intent_id uuid, text text)",
    "CREATE TEMP TABLE ledger (id uuid)",
    "SET session_replication_role TO replica",
    "SET default_transaction_read_only TO on",
    "SET ROLE pg_read_all_data",
    "SET SESSION AUTHORIZATION pg_monitor",
    "SET TimeZone TO 'Asia/Tokyo'",
    "SET synchronous_commit TO off",
    "SET statement_timeout TO 1",
    "SELECT pg_advisory_lock(1)",
]


@pytest.mark.parametrize("left", LEFT_BEHIND)
@pytest.mark.parametrize("careful", [False, True])
def test_what_a_function_leaves_in_the_session_is_gone(
    make_drain: Callable[..., Drain], engine: Engine, left: str, careful: bool
) -> None:
    """Whatever a function sets, makes or locks, intents in that batch and in later ones land where they belong."""
    with engine.begin() as connection:
        connection.execute(text("CREATE SCHEMA elsewhere"))
        connection.execute(text("CREATE TABLE elsewhere.notes (LIKE notes)"))
        add_trigger(connection, "shout", "NEW.text := upper(NEW.text)")
    drain = make_drain()
    bad = ["no envelope", NoteTaken(text="a"), NoteTaken(text="a")] if careful else [NoteTaken(text="a")]
    known = NoteTaken(text="known")
    if careful:
        assert drained(drain, known)
    assert drained(drain, SomethingDone(what=left), *bad, *([known] if careful else []))
    assert drained(drain, NoteTaken(text="b"))
    assert drained(drain, NoteTaken(text="c"))
    expected = ["A"] * (2 if careful else 1) + ["B", "C"] + (["KNOWN"] if careful else [])
    assert texts(engine) == expected
    with engine.connect() as connection:
        locks = connection.execute(text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")).scalar_one()
    assert locks == 0


# Behind a pooler, what a client sets for a session is not its own.
@pytest.mark.parametrize("url", ["direct"], indirect=True)
def test_what_was_set_when_the_connection_was_made_stays(make_drain: Callable[..., Drain], engine: Engine) -> None:
    """A search path or a role that the engine sets for each connection is the same after a function was called."""
    with engine.begin() as connection:
        connection.execute(text("CREATE SCHEMA elsewhere"))
        connection.execute(text("CREATE TABLE elsewhere.notes (LIKE notes)"))
    drain = make_drain("SET search_path TO elsewhere", "SET work_mem TO '5MB'")
    assert drained(drain, SomethingDone(what="SET search_path TO public"), NoteTaken(text="a"))
    assert drained(drain, NoteTaken(text="b"))
    assert texts(engine) == []
    with engine.connect() as connection:
        assert sorted(connection.scalars(text("SELECT text FROM elsewhere.notes"))) == ["a", "b"]


@pytest.mark.parametrize("scope", ["ROLE postgres", "DATABASE"])
def test_a_commit_is_durable(make_drain: Callable[..., Drain], engine: Engine, scope: str) -> None:
    """Where role or database have synchronous_commit off, the drain's transactions have it on."""
    name = engine.url.database if scope == "DATABASE" else f"IN DATABASE {engine.url.database}"
    with engine.begin() as connection:
        connection.execute(text(f"ALTER {scope} {name} SET synchronous_commit TO off"))
        connection.execute(text("CREATE TABLE seen (setting text)"))
        add_trigger(connection, "see", "INSERT INTO seen VALUES (current_setting('synchronous_commit'))")
    assert drained(make_drain(), NoteTaken(text="a"))
    with engine.connect() as connection:
        assert connection.scalars(text("SELECT setting FROM seen")).all() == ["on"]
