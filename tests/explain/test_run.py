"""Explaining a kind: what the drain sends is executed, explained, and leaves no trace."""

import random
from collections.abc import Callable, Sequence
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, reject, settings
from sqlalchemy import (
    Column,
    Connection,
    Engine,
    MetaData,
    Table,
    Text,
    Uuid,
    bindparam,
    insert,
    select,
    text,
    update,
)

from consumer.writes import drain as shop_drain
from penstock import WriteIntent
from penstock.consumer import Append, BindingError, Custom, Drain, Fault
from penstock.database import make_engine
from penstock.database.migrate import upgrade
from penstock.explain.run import Explanation, explain, explain_unexecuted, find_bound
from penstock.explain.samples.make import make_samples
from penstock.explain.words import notes
from penstock.testing import LambdaContext, MemoryQueue, sqs_event
from shared.intents import OrderStatusChanged
from tests.support import modes
from tests.support.drain import Bench, ThingMade
from tests.support.explained import SECONDS, bodies_of, explained, fingerprint, nodes_of
from tests.support.pgbouncer import pgbouncer
from tests.support.random_bindings import EMBEDDED, Service, services
from tests.support.schema_check import execute
from tests.support.servers import postgres_15

FAST = "claim and write"


def does(found: Explanation) -> list[str]:
    return [statement.does for statement in found.statements]


def examples() -> list[list[WriteIntent]]:
    """Return some intents of each kind of every mode."""
    return [
        [modes.placed(n, number=n) for n in range(5)],
        [modes.changed(n, number=n) for n in range(5)],
        [modes.removed(n, number=n) for n in range(5)],
        [modes.Adjusted(sku=f"s{n}", delta=1) for n in range(5)],
        [modes.Mailed(what=f"w{n}") for n in range(5)],
    ]


@pytest.mark.parametrize("number", range(5))
def test_every_mode_is_explained_and_leaves_no_trace(engine: Engine, number: int) -> None:
    """The statements of the fast path are executed with all rows, and all tables are the same before and after."""
    drain, dead = modes.make_drain(engine)
    present = [intent for some in examples() for intent in some]
    assert drain.handler(sqs_event(present), LambdaContext()) == {"batchItemFailures": []}
    before = fingerprint(engine)
    found = explained(drain, engine, *examples()[number])
    assert does(found)[0] == FAST
    assert found.statements[0].executions == 1
    assert all(one.plan and one.plan.execution_ms for one in found.statements)
    assert (found.intents, found.faults, found.duplicates) == (5, {}, 0)
    inserted = next(node for node in nodes_of(found) if node.name.endswith("Insert on penstock.ledger"))
    assert inserted.children[-1].rows == 5
    assert fingerprint(engine) == before
    assert dead.depth().total == 0


def test_the_parts_of_a_plan_add_up(engine: Engine) -> None:
    """The nodes' own times, with the triggers', are no more than the time of the execution."""
    drain, _ = modes.make_drain(engine)
    for some in examples():
        for statement in explained(drain, engine, *some).statements:
            assert statement.plan is not None
            assert 0 < sum(statement.plan.spent.values()) <= (statement.plan.execution_ms or 0) * 1.05


def test_each_write_of_a_kind_has_its_statement(engine: Engine) -> None:
    """A kind with several writes has one statement for each; only the first claims."""
    paid = [OrderStatusChanged(order_id=uuid4(), status="paid", changed_at=modes.at(n)) for n in range(3)]
    found = explained(shop_drain, engine, *paid)
    assert [(one.does, one.table) for one in found.statements] == [
        (FAST, "order_status_history"),
        ("write", "orders"),
    ]


@pytest.mark.parametrize("same", [True, False])
def test_an_intent_that_is_in_the_ledger_is_explained(engine: Engine, same: bool) -> None:
    """What took effect before is skipped; with another payload it is found on the isolating path."""
    drain, _ = modes.make_drain(engine)
    known, new = modes.placed(1), modes.placed(2, number=2)
    assert drain.handler(sqs_event([known]), LambdaContext()) == {"batchItemFailures": []}
    if not same:
        execute(engine, "UPDATE penstock.ledger SET digest = digest # (1 << 20)")
    before = fingerprint(engine)
    found = explained(drain, engine, known, new)
    assert does(found) == ([FAST] if same else ["claim", "compare with the ledger", "write what is claimed"])
    assert (found.duplicates, found.faults) == (1, {} if same else {"DataFault: id-reused": 1})
    written = next(node for node in nodes_of(found) if node.name.endswith("Insert on public.Our Orders"))
    assert written.rows == 1
    assert fingerprint(engine) == before


def test_a_dead_letter_is_explained_as_a_replay_would_write_it(engine: Engine) -> None:
    """An intent that is dead in the ledger is claimed again, and written."""
    bench = Bench(engine)
    bad = ThingMade(name="taken")
    assert bench([ThingMade(name="taken"), bad]) == []
    assert modes.outcomes(engine)[bad.intent_id] == "dead"
    execute(engine, "DELETE FROM things")
    before = fingerprint(engine)
    found = explained(bench.drain, engine, bad)
    assert (found.faults, found.duplicates) == ({}, 0)
    assert does(found) == ["claim", "write what is claimed"]
    assert "ON CONFLICT (id) DO UPDATE" in found.statements[0].sql
    assert fingerprint(engine) == before


def test_a_row_that_postgres_refuses_is_a_fault(engine: Engine) -> None:
    """Only the bad row has a fault, which names no value; the plans are of the rows that can be written."""
    bench = Bench(engine)
    things = [ThingMade(name="hunter2", parent="hunter3"), *(ThingMade(name=f"n{n}") for n in range(3))]
    found = explained(bench.drain, engine, *things)
    assert list(found.faults.values()) == [1]
    assert next(iter(found.faults)).startswith("NotYetFault: ForeignKeyViolation: sqlstate 23503")
    assert "hunter" not in repr(found)
    assert "write what is claimed" in does(found)


def test_a_missing_table_is_the_deployments_fault(engine: Engine) -> None:
    """If the table does not exist, no intent can be written, and the deployment is at fault."""
    drain, _ = modes.make_drain(engine)
    with engine.begin() as connection:
        connection.execute(text('DROP TABLE "Our Stock"'))
    found = explained(drain, engine, modes.Adjusted(sku="a", delta=1))
    assert found.deployment_fault
    assert sum(found.faults.values()) == found.intents == 1
    with pytest.raises(Fault) as raised:
        explain_unexecuted(
            drain, engine, "adjusted", bodies_of([modes.Adjusted(sku="a", delta=1)]), seconds=SECONDS
        )
    assert raised.value.cause.sqlstate == "42P01"


def test_nothing_is_executed_if_only_plans_are_wanted(engine: Engine) -> None:
    """Without ANALYZE no trigger fires, no sequence advances, no function is called, and no plan has a time."""
    drain, _ = modes.make_drain(engine)
    with engine.begin() as connection:
        connection.execute(text("CREATE SEQUENCE fired"))
        connection.execute(
            text(
                "CREATE FUNCTION fire() RETURNS trigger LANGUAGE plpgsql AS"
                " $$ BEGIN PERFORM nextval('fired'); RETURN NEW; END $$"
            )
        )
        connection.execute(
            text('CREATE TRIGGER fire BEFORE INSERT ON "Our Stock" FOR EACH ROW EXECUTE FUNCTION fire()')
        )
    adjusted = bodies_of([modes.Adjusted(sku="a", delta=1)])
    found = explain_unexecuted(drain, engine, "adjusted", adjusted, seconds=SECONDS)
    assert does(found) == [FAST]
    assert [node.rows for node in nodes_of(found)] == [None] * len(nodes_of(found))
    assert not found.analyzed
    mailed = explain_unexecuted(drain, engine, "mailed", bodies_of([modes.Mailed(what="bad")]), seconds=SECONDS)
    assert mailed.unseen_function
    with engine.connect() as connection:
        assert not connection.scalar(text("SELECT is_called FROM fired"))
    explain(drain, engine, "adjusted", adjusted, seconds=SECONDS)
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT is_called FROM fired"))


def custom(engine: Engine, function: Callable[[Connection, Sequence[Any]], None]) -> Drain:
    modes.metadata.create_all(engine)
    drain = Drain(engine=engine, queue=MemoryQueue(), dead_letters=MemoryQueue())
    drain.write(modes.Mailed, Custom(function))
    return drain


def test_the_statements_of_a_function_are_explained(engine: Engine) -> None:
    """A function gets its results. A statement that is sent often has one entry, and constants are masked."""
    seen: list[Any] = []

    def write(connection: Connection, intents: Sequence[modes.Mailed]) -> None:
        for intent in intents:
            row = {"id": intent.intent_id, "what": intent.what}
            seen.append(connection.scalar(insert(modes.outbox).values(row).returning(modes.outbox.c.what)))
        connection.execute(text("/* why */ SET LOCAL work_mem = '8MB'"))
        many = [{"b": intent.intent_id, "w": "x"} for intent in intents]
        statement = update(modes.outbox).where(modes.outbox.c.id == bindparam("b")).values(what=bindparam("w"))
        connection.execute(statement, many)
        seen.append(connection.scalar(text("SELECT count(*) FROM our_outbox WHERE what = 'hunter2' OR true")))
        connection.execute(select(modes.outbox))

    drain = custom(engine, write)
    before = fingerprint(engine)
    found = explained(drain, engine, *(modes.Mailed(what=f"w{n}") for n in range(4)))
    assert seen == ["w0", "w1", "w2", "w3", 4]
    function = found.statements[1:]
    assert [(one.executions, one.explained, one.plan is not None) for one in function] == [
        (4, 4, True),
        (1, 0, False),
        (4, 1, True),
        (1, 1, True),
        (1, 1, True),
    ]
    assert {one.does for one in function} == {"the service's function"}
    assert "what = ? OR true" in function[3].sql
    assert "hunter2" not in repr(found)
    assert fingerprint(engine) == before


def test_what_a_function_sends_through_the_driver_is_not_seen(engine: Engine) -> None:
    """It is known that the statements of a function were not seen."""

    def write(connection: Connection, _intents: Sequence[modes.Mailed]) -> None:
        driver: Any = connection.connection.driver_connection
        driver.execute("SELECT 1")

    found = explained(custom(engine, write), engine, modes.Mailed(what="w"))
    assert found.unseen_function
    assert "sent no statement through its SQLAlchemy connection" in notes(found)[0]
    seen = explained(custom(engine, modes.send_mail), engine, modes.Mailed(what="w"))
    assert (seen.unseen_function, notes(seen)) == (False, [])


def test_a_function_that_sends_many_statements_is_explained_in_part(engine: Engine) -> None:
    """The number of entries has a limit, and it is known how many executions were left out."""

    def write(connection: Connection, _intents: Sequence[modes.Mailed]) -> None:
        for number in range(150):
            connection.execute(text(f"SELECT 1 AS c{number}"))

    found = explained(custom(engine, write), engine, modes.Mailed(what="w"))
    assert len(found.statements) == 100
    assert found.left_out == 51


def test_an_error_that_a_function_causes_is_its_own(engine: Engine) -> None:
    """A statement of a function that fails has no plan, and the function's fault is the one of the drain."""

    def write(connection: Connection, _intents: Sequence[modes.Mailed]) -> None:
        connection.execute(text("SELECT 1 / 0"))

    found = explained(custom(engine, write), engine, modes.Mailed(what="w"))
    assert found.statements[-1].why_not == "Postgres refuses it: DivisionByZero: sqlstate 22012"
    assert list(found.faults) == ["DataFault: DivisionByZero: sqlstate 22012"]


def test_a_function_cannot_commit(engine: Engine) -> None:
    """A function that commits, against the rules, changes nothing."""

    def write(connection: Connection, intents: Sequence[modes.Mailed]) -> None:
        modes.send_mail(connection, intents)
        connection.exec_driver_sql("COMMIT")

    drain = custom(engine, write)
    before = fingerprint(engine)
    with pytest.raises(Fault):
        explained(drain, engine, modes.Mailed(what="w"))
    assert fingerprint(engine) == before


def test_an_interrupt_leaves_no_trace(engine: Engine) -> None:
    """Ctrl-C in the middle undoes everything, and the engine explains nothing more."""

    def write(connection: Connection, intents: Sequence[modes.Mailed]) -> None:
        modes.send_mail(connection, intents)
        raise KeyboardInterrupt

    drain = custom(engine, write)
    before = fingerprint(engine)
    with pytest.raises(KeyboardInterrupt):
        explained(drain, engine, modes.Mailed(what="w"))
    assert fingerprint(engine) == before
    assert not engine.dialect.dispatch.do_execute


def test_a_locked_row_does_not_hold_it_up(engine: Engine, database_url: str) -> None:
    """If production holds a lock, the explanation gives up in its time."""
    drain, _ = modes.make_drain(engine)
    with psycopg.connect(database_url) as other:
        other.execute('LOCK TABLE "Our Stock"')
        body = bodies_of([modes.Adjusted(sku="a", delta=1)])
        with pytest.raises(Fault) as raised:
            explain(drain, engine, "adjusted", body, seconds=1.5)
    assert raised.value.cause.reason in {"LockNotAvailable", "QueryCanceled", "DeadlineExceeded"}


@pytest.mark.slow
def test_random_services_are_explained_without_a_trace(engine: Engine) -> None:
    """Whatever tables and modes a service has, each kind is explained, and no table changes."""
    accepted: list[Service] = []

    @settings(
        max_examples=6,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.filter_too_much],
    )
    @given(service=services(EMBEDDED))
    def explain_all(service: Service) -> None:
        try:
            service.bind(engine)
        except BindingError:
            reject()
        accepted.append(service)
        service.deliver(random.Random(0))  # noqa: S311
        explain_service(engine, service)
        service.clean(engine)
        service.drop(engine)

    explain_all()
    assert len(accepted) > 2


def explain_service(engine: Engine, service: Service) -> None:
    """Explain each kind of a service, executed and not, with intents like those that it has, and with samples."""
    assert service.drain is not None
    before = fingerprint(engine)
    for kind in sorted({intent.intent_kind for intent in service.intents}):
        intents = [intent for intent in service.intents if intent.intent_kind == kind]
        again = [type(intent)(**intent.model_dump()) for intent in intents]
        found = explained(service.drain, engine, *again)
        assert found.statements
        assert all(one.plan or one.why_not for one in found.statements)
        planned = explain_unexecuted(service.drain, engine, kind, bodies_of(again), seconds=SECONDS)
        assert all(one.plan and one.plan.execution_ms is None for one in planned.statements)
        bound = find_bound(service.drain.bound(), kind)
        assert bound is not None
        samples = make_samples(type(intents[0]), bound, engine, 20, seconds=SECONDS)
        written = explain(service.drain, engine, kind, samples, seconds=SECONDS)
        assert written.intents == 20
        assert {fault.split(":")[1] for fault in written.faults} <= {" UniqueViolation"}
    assert fingerprint(engine) == before


def test_a_partitioned_table_is_explained(engine: Engine) -> None:
    """The rows of a kind go to the partitions of its table, and none of them is left there."""
    execute(
        engine,
        "CREATE TABLE parts (intent_id uuid, region text) PARTITION BY LIST (region)",
        "CREATE TABLE parts_a PARTITION OF parts FOR VALUES IN ('a')",
        "CREATE TABLE parts_b PARTITION OF parts FOR VALUES IN ('b')",
    )
    parts = Table("parts", MetaData(), Column("intent_id", Uuid), Column("region", Text))
    drain = Drain(engine=engine, queue=MemoryQueue(), dead_letters=MemoryQueue())
    drain.write(Located, Append(parts), Custom(count_parts))
    before = fingerprint(engine)
    found = explained(drain, engine, *(Located(region=region) for region in "aab"))
    assert [(one.does, one.table) for one in found.statements] == [
        (FAST, None),
        ("write", "parts"),
        ("the service's function", None),
    ]
    assert {
        node.table: node.rows for node in nodes_of(found) if node.type == "Seq Scan" and node.schema == "public"
    } == {
        "parts_a": 2,
        "parts_b": 1,
    }
    missing = explained(drain, engine, Located(region="c"))
    assert list(missing.faults) == ["SchemaFault: CheckViolation: sqlstate 23514, table parts"]
    assert fingerprint(engine) == before


class Located(WriteIntent, kind="located"):
    region: str


def count_parts(connection: Connection, _intents: Sequence[Any]) -> None:
    connection.execute(text("SELECT count(*) FROM parts"))


@pytest.mark.server
def test_it_works_behind_a_pooler() -> None:
    """Behind PgBouncer in transaction mode, and on PostgreSQL 15, each mode is explained without a trace."""
    with postgres_15() as direct, pgbouncer(direct) as url:
        upgrade(direct)
        engine = make_engine(url)
        drain, _ = modes.make_drain(engine)
        before = fingerprint(engine)
        for some in examples():
            found = explained(drain, engine, *some)
            assert not found.faults
            for plan in (one.plan for one in found.statements):
                assert plan is not None
                assert 0 < sum(plan.spent.values()) <= (plan.execution_ms or 0) * 1.05
        assert fingerprint(engine) == before
        engine.dispose()
