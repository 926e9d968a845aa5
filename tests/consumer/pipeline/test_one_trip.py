"""A batch in one round trip: what is sent with it, and that it leaves what any other way leaves."""

from collections import Counter
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from penstock.consumer.pipeline import one_trip
from penstock.intents import encode_envelope, new_id
from penstock.settings import Settings
from penstock.testing import LambdaContext, MemoryQueue, sqs_event
from tests.support.consumers import Counted, deliver, every_mode, stepped, tables
from tests.support.drain import Bench, ThingMade, parents
from tests.support.modes import outcomes, placed
from tests.support.statements import recorded

FIRST = [f"known {n}" for n in range(4)]
"""What took effect before, each under an id of its own."""


@pytest.fixture
def bench(engine: Engine) -> Bench:
    return Bench(engine)


def body(id_: UUID, **fields: Any) -> str:
    return encode_envelope(ThingMade(**fields), id=id_, source="/test")


def fresh(count: int, word: str = "fresh") -> list[str]:
    return [body(new_id(), name=f"{word} {n}") for n in range(count)]


def beginnings(statements: list[str]) -> list[str]:
    return [statement.split()[0] for statement in statements]


def trip(*, parts: int) -> list[str]:
    """Return the beginnings of the statements of a clean batch in some parts."""
    return ["BEGIN", "SELECT", "WITH", *["SAVEPOINT", "WITH", "RELEASE"] * (parts - 1), "COMMIT"]


def test_a_clean_batch_is_one_trip(bench: Bench) -> None:
    """BEGIN, the settings, each part of the batch and COMMIT are sent together."""
    bench(fresh(1))
    statements = recorded(bench.engine)
    assert bench(fresh(201, "more")) == []
    assert beginnings(statements) == trip(parts=3)
    statements.clear()
    assert bench(fresh(5, "few")) == []
    assert beginnings(statements) == trip(parts=1)
    statements.clear()
    assert bench(fresh(2001, "many")) == []
    assert beginnings(statements) == trip(parts=20)


def test_parts_are_larger_if_each_is_planned(bench: Bench) -> None:
    """At the first use of a connection, and behind a pooler, no statement is kept, so there are fewer of them."""
    statements = recorded(bench.engine)
    assert bench(fresh(501)) == []
    assert beginnings(statements).count("WITH") == 2


def test_what_comes_again_costs_no_statement(bench: Bench) -> None:
    """Intents that took effect before, in either generation of the ledger, are skipped by the same statement."""
    old, newer = fresh(30, "old"), fresh(30, "newer")
    bench(old)
    with bench.engine.begin() as connection:
        connection.execute(text("INSERT INTO penstock.ledger_past SELECT * FROM penstock.ledger"))
        connection.execute(text("DELETE FROM penstock.ledger"))
    bench(newer)
    statements = recorded(bench.engine)
    assert bench([*fresh(30), *old, *newer]) == []
    assert beginnings(statements) == trip(parts=1)
    statements.clear()
    assert bench([*fresh(60, "more"), *old, *newer]) == []
    assert beginnings(statements) == trip(parts=2)
    assert len(bench.names) == 150
    assert bench.letters == []


@pytest.mark.parametrize("also", ["nonsense", "twin", "refused"])
def test_everything_is_entered_in_one_transaction(bench: Bench, also: str) -> None:
    """A bad message, a twin or what Postgres refuses is entered before the commit of everything else."""
    bench(fresh(1))
    with bench.engine.begin() as connection:
        connection.execute(text("CREATE TABLE transactions (id xid8)"))
        connection.execute(
            text(
                "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
                " INSERT INTO transactions VALUES (pg_current_xact_id()); RETURN NEW; END $$"
            )
        )
        connection.execute(
            text(
                "CREATE TRIGGER note AFTER INSERT OR UPDATE ON penstock.ledger"
                " FOR EACH ROW EXECUTE FUNCTION note()"
            )
        )
    id_ = new_id()
    more = {
        "nonsense": ["nonsense"],
        "twin": [body(id_, name="a"), body(id_, name="b")],
        "refused": [body(id_, name="more 3")],
    }
    assert bench([*fresh(30, "more"), *more[also]]) == []
    assert len(bench.letters) == 1
    with bench.engine.begin() as connection:
        assert connection.scalar(text("SELECT count(DISTINCT id) FROM transactions")) == 1


def test_a_connection_that_is_lost_while_a_refused_intent_is_entered(bench: Bench) -> None:
    """What was not entered comes back, no letter is sent for it, and nothing is written twice."""
    batch = [*fresh(30), body(new_id(), name="fresh 3")]
    event = sqs_event(batch)
    with bench.engine.begin() as connection:
        connection.execute(
            text(
                "CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
                " IF NEW.outcome = 'dead' THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF;"
                " RETURN NEW; END $$"
            )
        )
        connection.execute(
            text(
                "CREATE TRIGGER lose BEFORE INSERT OR UPDATE ON penstock.ledger"
                " FOR EACH ROW EXECUTE FUNCTION lose()"
            )
        )
    assert len(bench.failed(event)) >= 1
    assert bench.letters == []
    with bench.engine.begin() as connection:
        connection.execute(text("DROP TRIGGER lose ON penstock.ledger"))
    assert bench.failed(event) == []
    assert len(bench.names) == 30
    assert len(bench.letters) == 1


REFUSED_BY_A_TRIGGER = (
    """CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN IF NEW.name LIKE 'raised%' THEN RAISE 'no'; END IF; RETURN NEW; END $$""",
    "CREATE TRIGGER refuse BEFORE INSERT ON things FOR EACH ROW EXECUTE FUNCTION refuse()",
)
"""The error has no value of the row."""

Case = tuple[str, int]
CASES = ["again", "other payload", "replayed", "orphan", "twin", "taken", "large", "raised"]


class World:
    """The bodies of one history: what came before, and a batch."""

    def __init__(self, drawn: list[Case]) -> None:
        self.ids = [new_id() for _ in range(4)]
        self.dead, self.waiting = ([new_id() for _ in range(4)] for _ in range(2))
        self.before = [
            *(body(id_, name=name) for id_, name in zip(self.ids, FIRST, strict=True)),
            *(body(id_, name=f"dead {n}", size=2**40) for n, id_ in enumerate(self.dead)),
            *(body(id_, name=f"waiting {n}", parent="late") for n, id_ in enumerate(self.waiting)),
        ]
        self.batch = fresh(25)
        for place, (what, n) in enumerate(drawn):
            self.batch.insert(2 * place, self._body(what, n, place))

    def _body(self, what: str, n: int, place: int) -> str:
        bodies = {
            "again": self.before[n],
            "other payload": body(self.ids[n], name=f"other {place}"),
            "replayed": body(self.dead[n], name=f"dead {n}"),
            "orphan": self.before[8 + n] if n % 2 else body(new_id(), name=f"orphan {place}", parent="never"),
            "twin": self.batch[n],
            "taken": body(new_id(), name=FIRST[n]),
            "large": body(new_id(), name=f"large {place}", size=2**40),
            "raised": body(new_id(), name=f"raised {place}"),
        }
        return bodies[what]


@pytest.mark.parametrize(("part", "bus"), [(100, ""), (7, "bus")])
def test_it_leaves_what_the_other_way_leaves(
    bench: Bench, part: int, bus: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows, entries, events, dead letters and what goes back are those of statements sent one by one."""
    monkeypatch.setattr(one_trip, "FEW", part)
    monkeypatch.setattr(one_trip, "_PLANNED_PART", part)
    with bench.engine.begin() as connection:
        for statement in REFUSED_BY_A_TRIGGER:
            connection.execute(text(statement))

    @given(st.lists(st.tuples(st.sampled_from(CASES), st.integers(0, 3)), max_size=12))
    @settings(max_examples=25)
    def check(drawn: list[Case]) -> None:
        world = World(drawn)
        ways = (Settings(pipelines=pipelines, event_bus=bus) for pipelines in (True, False))
        one, other = (_left(bench, world, way) for way in ways)
        assert one == other

    check()


def _left(bench: Bench, world: World, way: Settings) -> Any:
    with bench.engine.begin() as connection:
        emptied = "things, parents, penstock.ledger, penstock.ledger_past, penstock.outbox"
        connection.execute(text(f"TRUNCATE {emptied} CASCADE"))
    dead = MemoryQueue()
    drain = bench.drain.using(way, engine=bench.engine, queue=MemoryQueue(), dead_letters=dead)

    def deliver(bodies: list[str]) -> list[str]:
        event = sqs_event(bodies)
        places = {record["messageId"]: place for place, record in enumerate(event["Records"])}
        answer = drain.handler(event, LambdaContext())
        return sorted(str(places[one["itemIdentifier"]]) for one in answer["batchItemFailures"])

    deliver(world.before)
    with bench.engine.begin() as connection:
        connection.execute(parents.insert(), {"name": "late"})
    back = deliver(world.batch)
    with bench.engine.connect() as connection:
        rows = connection.execute(text("SELECT * FROM things ORDER BY intent_id")).all()
        entries = connection.execute(
            text("SELECT id, kind, outcome, attempts, fault::text, digest FROM penstock.ledger ORDER BY id")
        ).all()
        told = text("SELECT id, kind, outcome, reason, count(*) FROM penstock.outbox GROUP BY 1, 2, 3, 4")
        events = {tuple(row) for row in connection.execute(told)}
    return rows, entries, events, back, sorted(message.body for message in dead.messages)


@pytest.mark.parametrize("attributes", [None, 5, "SequenceNumber", ["SequenceNumber"]])
def test_attributes_of_any_form_are_no_order(bench: Bench, attributes: Any) -> None:
    """A record whose attributes are none that SQS gives is written like any other, and commits with the trip."""
    bench(fresh(1))
    event = sqs_event(fresh(3, "odd"))
    event["Records"][1]["attributes"] = attributes
    statements = recorded(bench.engine)
    assert bench.failed(event) == []
    assert beginnings(statements)[-1] == "COMMIT"
    assert len(bench.names) == 4


def test_a_name_that_needs_quotes_is_written_in_the_trip(engine: Engine) -> None:
    """Each statement of each write mode has a text for the server, whatever its table is called."""
    drain, _ = every_mode(engine)
    texts = [text for bound in drain.bound() for part in bound.parts for text in part.write.on_server]
    assert all(b"$2" in text and b"%" not in text for text in texts)
    assert any(b"'Our Orders'" in text for text in texts)


def test_an_id_that_the_ledger_has_is_not_searched(bench: Bench) -> None:
    """A dead intent that is replayed sends the batch down the isolating path, and is written with the others."""
    replayed = new_id()
    bench([body(replayed, name="replayed", size=2**40)])
    assert bench.outcomes[replayed] == "dead"
    statements = recorded(bench.engine)
    assert bench([*fresh(30), body(replayed, name="replayed")]) == []
    assert bench.outcomes[replayed] == "applied"
    assert len(bench.names) == 31
    assert "ROLLBACK" not in beginnings(statements)


def test_ids_that_cannot_be_skipped_are_asked_for_before_rows_are_locked(engine: Engine) -> None:
    """A redelivered intent of a `Custom` function ends the trip before it holds rows that others wait for."""
    drain, _ = every_mode(engine)
    known, others = Counted(name="a"), [stepped(8, number=n) for n in range(30)]
    assert deliver(drain, sqs_event([known])["Records"]) == []
    statements = recorded(engine)
    assert deliver(drain, sqs_event([placed(9), *others, known])["Records"]) == []
    asks = next(n for n, statement in enumerate(statements) if statement.lstrip().startswith("SELECT 1 / CASE"))
    assert asks < next(n for n, statement in enumerate(statements) if "Our Orders" in statement)
    assert set(outcomes(engine).values()) <= {"applied", "stale"}


@pytest.mark.parametrize("count", [3, 101])
def test_what_comes_again_is_left_out_of_every_write(engine: Engine, count: int) -> None:
    """A kind with several writes has none of them twice, in either generation, and the batch is one trip."""
    drain, dead = every_mode(engine)
    old, newer, new = ([stepped(second, number=n) for n in range(count)] for second in (1, 2, 3))
    assert deliver(drain, sqs_event(old)["Records"]) == []
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO penstock.ledger_past SELECT * FROM penstock.ledger"))
        connection.execute(text("DELETE FROM penstock.ledger"))
    assert deliver(drain, sqs_event(newer)["Records"]) == []
    statements = recorded(engine)
    assert deliver(drain, sqs_event([*new[:1], *old, *newer, *new[1:]])["Records"]) == []
    assert beginnings(statements)[-1] == "COMMIT"
    assert beginnings(statements).count("BEGIN") == 1
    found = tables(engine)
    assert found["our_steps"].total() == len(found["our_steps"]) == 3 * count
    assert found["our_totals"] == {("s", 3 * count): 1}
    assert Counter(outcomes(engine).values()) == {"applied": 2 * count}
    assert dead.messages == []
