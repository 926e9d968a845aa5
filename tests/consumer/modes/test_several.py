"""A kind with several writes: all of them take effect, once, or none."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import AwareDatetime
from sqlalchemy import (
    CheckConstraint,
    Column,
    Connection,
    DateTime,
    Engine,
    ForeignKey,
    Integer,
    MetaData,
    Table,
    Text,
    Uuid,
    insert,
    select,
    text,
)

from penstock import WriteIntent
from penstock.consumer import Append, BindingError, Custom, Drain, Increment, Upsert
from penstock.consumer.dead_letter import DeadLetter
from penstock.consumer.dry_run import DryRunOutcome, dry_run
from penstock.consumer.schema_check.check import check_schema
from penstock.database import ledger
from penstock.intents import encode_envelope, new_id
from penstock.settings import Settings
from penstock.testing import LambdaContext, MemoryQueue, sqs_event
from tests.support.statements import recorded

metadata = MetaData()

jobs = Table(
    "jobs",
    metadata,
    Column("job", Text, primary_key=True),
    Column("status", Text),
    Column("cost", Integer),
    Column("at", DateTime(timezone=True)),
)

history = Table(
    "job_history",
    metadata,
    Column("intent_id", Uuid, primary_key=True),
    Column("job", Text, ForeignKey("jobs.job"), nullable=False),
    Column("status", Text),
    Column("cost", Integer),
    Column("at", DateTime(timezone=True)),
    CheckConstraint("cost < 100", name="cost_is_low"),
)

costs = Table(
    "job_costs", metadata, Column("status", Text, primary_key=True), Column("cost", Integer, nullable=False)
)

mails = Table("job_mails", metadata, Column("id", Uuid, primary_key=True), Column("note", Text))

START = datetime(2026, 11, 20, tzinfo=UTC)


class Changed(WriteIntent, kind="job.changed"):
    job: str
    status: str
    cost: int
    at: AwareDatetime


class Noted(WriteIntent, kind="job.noted"):
    job: str
    status: str
    cost: int
    at: AwareDatetime
    note: str


def changed(job: str, seconds: int, *, cost: int = 1, status: str = "open") -> Changed:
    return Changed(job=job, status=status, cost=cost, at=START + timedelta(seconds=seconds))


def noted(job: str, seconds: int, note: str, *, cost: int = 1) -> Noted:
    return Noted(job=job, status="open", cost=cost, at=START + timedelta(seconds=seconds), note=note)


def send_mail(connection: Connection, intents: Sequence[Noted]) -> None:
    if any(intent.note == "bad" for intent in intents):
        raise KeyError("hunter2")
    connection.execute(insert(mails), [{"id": intent.intent_id, "note": intent.note} for intent in intents])


STATE = Upsert(jobs, key="job", version="at")
TOTAL = Increment(costs, key="status", add={"cost": "cost"})


class Bench:
    """A drain of kinds with several writes, and what it has left."""

    def __init__(self, engine: Engine) -> None:
        metadata.create_all(engine)
        self.engine = engine
        self.dead = MemoryQueue()
        self.drain = Drain(engine=engine, queue=MemoryQueue(), dead_letters=self.dead)
        self.drain.write(Changed, Append(history), STATE, TOTAL)
        self.drain.write(Noted, STATE, Custom(send_mail))

    def __call__(self, *messages: WriteIntent | str) -> int:
        """Drain one batch; return how many of its messages go back."""
        return len(self.drain.handler(sqs_event(messages), LambdaContext())["batchItemFailures"])

    def outcomes(self, *intents: WriteIntent) -> list[str | None]:
        with self.engine.connect() as connection:
            known = {row.id: row.outcome for row in connection.execute(select(ledger.c.id, ledger.c.outcome))}
        return [known.get(intent.intent_id) for intent in intents]

    def rows(self, *columns: Column[Any]) -> list[tuple[Any, ...]]:
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(select(*columns).order_by(*columns))]

    @property
    def letters(self) -> list[DeadLetter]:
        return [letter for one in self.dead.messages if (letter := DeadLetter.read(one.attributes))]


@pytest.fixture
def bench(engine: Engine) -> Bench:
    return Bench(engine)


@pytest.mark.parametrize("isolated", [False, True])
def test_every_write_of_an_intent_takes_effect_once(bench: Bench, isolated: bool) -> None:
    """State, history and total are written once for each intent, on both paths, however often it is delivered."""
    first, second, stale = changed("a", 1), changed("b", 1, cost=2, status="done"), changed("a", 0, cost=5)
    assert bench(first) == 0
    assert bench(second, *([first] if isolated else []), stale, second) == 0
    assert bench(first, second, stale) == 0
    assert bench.rows(jobs.c.job, jobs.c.cost) == [("a", 1), ("b", 2)]
    assert bench.rows(history.c.job, history.c.cost) == [("a", 1), ("a", 5), ("b", 2)]
    assert bench.rows(costs.c.status, costs.c.cost) == [("done", 2), ("open", 6)]
    assert bench.outcomes(first, second, stale) == ["applied"] * 3


def test_two_writes_cost_one_wait(bench: Bench) -> None:
    """All statements of a new batch are sent without waiting: its tables are written in one round trip."""
    statements = recorded(bench.engine)
    bench(changed("a", 1), changed("b", 1))
    writes = [one for one in statements if "penstock_intent" in one]
    assert [one for one in writes if "INSERT INTO penstock.ledger" in one] == writes[:1]
    assert len(writes) == 3


@pytest.mark.parametrize(
    ("refused", "table", "sqlstate"),
    [(changed("b", 1, cost=100), "job_history", "23514"), (changed("b", 1, cost=2**31 - 1), "job_costs", "22003")],
)
def test_a_refused_write_undoes_the_others_of_its_intent(
    bench: Bench, refused: Changed, table: str, sqlstate: str
) -> None:
    """An intent that one table refuses leaves nothing in the others, and its dead letter names that table."""
    if sqlstate == "22003":
        with bench.engine.begin() as connection:
            connection.execute(text("ALTER TABLE job_history DROP CONSTRAINT cost_is_low"))
    assert bench(changed("z", 1), changed("a", 1)) == 0
    neighbours = [changed("c", 1), changed("d", 1)]
    assert bench(neighbours[0], refused, neighbours[1]) == 0
    assert bench.outcomes(*neighbours, refused) == ["applied", "applied", "dead"]
    assert [*"acdz"] == [job for (job,) in bench.rows(jobs.c.job)] == [job for (job,) in bench.rows(history.c.job)]
    assert bench.rows(costs.c.cost) == [(4,)]
    assert [(letter.sqlstate, letter.table) for letter in bench.letters] == [(sqlstate, table)]


def test_what_the_intent_does_not_carry_is_not_its_fault(bench: Bench) -> None:
    """A constraint on a column of one table is the schema's fault, whatever the other table names alike."""
    with bench.engine.begin() as connection:
        connection.execute(text("ALTER TABLE jobs ADD COLUMN cost_center text"))
        connection.execute(text("ALTER TABLE jobs ADD CONSTRAINT cost_is_low CHECK (cost_center IS NOT NULL)"))
    intent = changed("a", 1)
    assert bench(intent) == 1
    assert bench.rows(history.c.job) == []
    with bench.engine.begin() as connection:
        connection.execute(text("ALTER TABLE jobs DROP CONSTRAINT cost_is_low"))
    refused = changed("b", 1, cost=100)
    assert bench(intent, refused) == 0
    assert bench.outcomes(intent, refused) == ["applied", "dead"]


def test_a_function_is_one_of_the_writes(bench: Bench) -> None:
    """A function of the service's and a table are written together, and what the function refuses is undone."""
    good, bad = [noted(job, 1, "news") for job in "ab"], noted("c", 1, "bad")
    assert bench(*good) == 0
    assert bench(noted("d", 1, "more"), bad, *good) == 0
    assert bench.outcomes(*good, bad) == ["applied", "applied", "dead"]
    assert bench.rows(jobs.c.job) == [("a",), ("b",), ("d",)]
    assert bench.rows(mails.c.note) == [("more",), ("news",), ("news",)]


@pytest.mark.parametrize("pipelines", [True, False])
def test_what_took_effect_is_skipped_by_each_write_of_each_kind(engine: Engine, pipelines: bool) -> None:
    """Kinds that skip intents in the same transaction each leave out their own in all of their writes."""
    bench = Bench(engine)
    bench.drain.write(Split, Append(history), STATE, TOTAL)
    bench.drain = bench.drain.using(
        Settings(pipelines=pipelines), engine=engine, queue=MemoryQueue(), dead_letters=bench.dead
    )
    old = [changed("a", 1), split("b"), noted("c", 1, "news")]
    assert bench(*old) == 0
    statements = recorded(engine)
    assert bench(*old, changed("d", 1), split("e"), noted("f", 1, "news")) == 0
    isolated = any("ON CONFLICT (id)" in one for one in statements)
    assert isolated == pipelines, "a function's known id breaks a round trip off"
    assert bench.rows(jobs.c.job) == [(job,) for job in "abcdef"]
    assert bench.rows(history.c.job) == [(job,) for job in "abde"]
    assert bench.rows(costs.c.cost) == [(4,)]
    assert bench.rows(mails.c.note) == [("news",), ("news",)]


@pytest.mark.parametrize("first", [changed("a", 1), noted("a", 1, "x")])
def test_the_digest_covers_the_fields_of_all_writes(bench: Bench, first: WriteIntent) -> None:
    """An id that comes again with another value of any field is dead, also if only one write has that field."""
    id_ = new_id()
    assert bench(encode_envelope(first, id=id_, source="/t")) == 0
    field = "note" if isinstance(first, Noted) else "status"
    for name, value in {"cost": 2, field: "other"}.items():
        other = first.model_copy(update={name: value})
        assert bench(encode_envelope(other, id=id_, source="/t")) == 0
    assert bench(encode_envelope(first, id=id_, source="/t")) == 0
    assert [letter.reason for letter in bench.letters] == ["id-reused"] * 2


class Split(WriteIntent, kind="job.split"):
    job: str
    at: AwareDatetime
    status: str
    cost: int


def split(job: str) -> Split:
    return Split(job=job, status="open", cost=1, at=START)


def test_each_field_needs_a_column_in_one_of_the_tables(engine: Engine) -> None:
    """The fields may be divided among the tables, and the ledger's digest covers all of them."""
    metadata.create_all(engine)
    kept = Table(
        "job_times", MetaData(), Column("job", Text, primary_key=True), Column("at", DateTime(timezone=True))
    )
    kept.metadata.create_all(engine)
    dead = MemoryQueue()
    drain = Drain(engine=engine, queue=MemoryQueue(), dead_letters=dead)
    drain.write(Split, Upsert(kept, key="job", version="at"), TOTAL)
    id_, one = new_id(), Split(job="a", at=START, status="s", cost=1)
    for intent in (one, one, one.model_copy(update={"cost": 3})):
        event_ = sqs_event([encode_envelope(intent, id=id_, source="/t")])
        assert drain.handler(event_, LambdaContext()) == {"batchItemFailures": []}
    with engine.connect() as connection:
        assert connection.scalar(select(costs.c.cost)) == 1
    assert [letter.reason for one in dead.messages if (letter := DeadLetter.read(one.attributes))] == ["id-reused"]


def test_a_stale_intent_is_stale_for_every_write(engine: Engine) -> None:
    """An intent is stale only if nothing of it landed: a newer row of one table does not count for another."""
    metadata.create_all(engine)
    kept = Table(
        "job_times", MetaData(), Column("status", Text, primary_key=True), Column("at", DateTime(timezone=True))
    )
    kept.metadata.create_all(engine)

    class Seen(WriteIntent, kind="job.seen"):
        job: str
        status: str
        at: AwareDatetime

    drain = Drain(engine=engine, queue=MemoryQueue(), dead_letters=MemoryQueue())
    drain.write(Seen, STATE, Upsert(kept, key="status", version="at"))

    def seen(job: str, status: str, seconds: int) -> Seen:
        return Seen(job=job, status=status, at=START + timedelta(seconds=seconds))

    first, repeated = seen("a", "x", 5), seen("z", "z", 1)
    assert drain.handler(sqs_event([first, repeated]), LambdaContext()) == {"batchItemFailures": []}
    # Only the batch with a repeated intent takes the isolating path.
    for batch in ([], [repeated]):
        in_one, in_none = seen("a", f"y{len(batch)}", 1), seen("a", "x", 2)
        assert drain.handler(sqs_event([in_one, in_none, *batch]), LambdaContext()) == {"batchItemFailures": []}
        with engine.connect() as connection:
            known = {row.id: row.outcome for row in connection.execute(select(ledger.c.id, ledger.c.outcome))}
        assert [known[in_one.intent_id], known[in_none.intent_id]] == ["applied", "stale"]


def test_a_missing_parent_holds_back_all_writes(bench: Bench) -> None:
    """An intent that waits for a parent in one table writes nothing to the others until the parent is there."""
    child = Table(
        "job_children",
        MetaData(),
        Column("job", Text, ForeignKey(jobs.c.job), primary_key=True),
        Column("status", Text),
        Column("cost", Integer),
        Column("at", DateTime(timezone=True)),
    )
    child.create(bench.engine)

    class Child(WriteIntent, kind="job.child"):
        job: str
        status: str
        cost: int
        at: AwareDatetime

    bench.drain.write(Child, TOTAL, Upsert(child, key="job", version="at"))
    intent = Child(job="p", status="s", cost=1, at=START)
    assert bench(intent) == 1
    assert bench.outcomes(intent) == ["pending"]
    assert bench.rows(costs.c.cost) == []
    assert bench(intent, changed("p", 1, status="s")) == 0
    assert bench.rows(costs.c.cost) == [(2,)]


def test_a_dry_run_and_the_check_know_every_write(bench: Bench) -> None:
    """A dry run has one outcome for each intent, and the check of the schema names each table that is wrong."""
    bodies = [
        encode_envelope(intent, id=new_id(), source="/t")
        for intent in (changed("a", 1), changed("b", 1, cost=100), noted("c", 1, "x"))
    ]
    found = dry_run(bench.drain, bench.engine, bodies, seconds=10)
    assert [one.outcome for one in found] == [DryRunOutcome.APPLIED, DryRunOutcome.DEAD, DryRunOutcome.APPLIED]
    assert bench.rows(jobs.c.job) == []
    with bench.engine.begin() as connection:
        connection.execute(text("ALTER TABLE job_costs DROP CONSTRAINT job_costs_pkey"))
        connection.execute(text("ALTER TABLE job_history DROP COLUMN status"))
    faults = [one for one in check_schema(bench.engine, bench.drain) if one.severity == "fault"]
    assert {(one.kind, one.table) for one in faults} == {
        ("job.changed", "public.job_costs"),
        ("job.changed", "public.job_history"),
    }


def _times(**columns: Any) -> Table:
    made = [Column(name, type_, primary_key=name == "job") for name, type_ in columns.items()]
    return Table("job_times", MetaData(), *made)


REFUSED: dict[str, tuple[str, list[Any]]] = {
    "a field without a column": (
        r"field 'cost' has no column in any of the tables 'job_times', 'job_times_2'",
        [
            Upsert(_times(job=Text, at=DateTime(timezone=True)), key="job", version="at"),
            Append(Table("job_times_2", MetaData(), Column("status", Text))),
        ],
    ),
    "the same write": (r"table 'jobs' gets the same write twice", [STATE, STATE]),
    "two appends of one id": (
        r"two Appends give the unique columns 'intent_id' the same values",
        [Append(history), Append(history, {"cost": "cost", "status": "job", "job": "status"})],
    ),
    "an append beside a key": (
        r"another write of the kind writes the same table, and only one of the two is an Append",
        [STATE, Append(jobs)],
    ),
    "a sum of what an upsert writes": (
        r"column 'cost' is added to, and an Upsert of the table writes it, too",
        [STATE, Increment(jobs, key="job", add={"cost": "cost"})],
    ),
    "two objects of one table": (
        r"another write of the kind has another Table object of the same name",
        [STATE, Append(Table("jobs", MetaData(), Column("job", Text)))],
    ),
}


@pytest.mark.parametrize(("reason", "modes"), REFUSED.values(), ids=REFUSED)
def test_writes_that_make_no_sense_together_are_refused(reason: str, modes: list[Any]) -> None:
    """Writes of one kind are held against each other when they are bound, in any order; none of them is kept."""
    for step in (1, -1):
        drain = Drain()
        with pytest.raises(BindingError, match=reason):
            drain.write(Split, *modes[::step])
        assert drain.bound() == []
        drain.write(Split, STATE)


def test_a_kind_is_bound_once() -> None:
    """All writes of a kind are bound in one call: a second call is a mistake."""
    drain = Drain()
    drain.write(Split, STATE)
    with pytest.raises(TypeError, match=r"'job.split' is bound already: bind each kind once, to all of its write"):
        drain.write(Split, TOTAL)


def test_tables_are_written_in_one_order() -> None:
    """The order of the tables depends neither on the order of the bindings nor on the process."""
    bindings: list[tuple[type[WriteIntent], list[Any]]] = [
        (Changed, [TOTAL, Append(history), STATE]),
        (Split, [STATE, TOTAL]),
    ]
    for step in (1, -1):
        drain = Drain()
        for intent, modes in bindings[::step]:
            drain.write(intent, *modes[::step])
        orders = {bound.kind: [part.table for part in bound.parts] for bound in drain.bound()}
        assert orders == {"job.changed": [costs, jobs, history], "job.split": [costs, jobs]}


def test_statements_are_built_once() -> None:
    """A drain asks for its writes at the start and at its first batch, and their statements are built once."""
    drain = Drain()
    drain.write(Split, STATE, TOTAL)
    first, second = ([part.write for bound in drain.bound() for part in bound.parts] for _ in range(2))
    assert all(one is other for one, other in zip(first, second, strict=True))
