"""The breaker and its probe: a Lambda in memory, and a real Postgres that is stopped, frozen and made a reader."""

from collections.abc import Iterator
from itertools import combinations_with_replacement
from typing import Any

import psycopg
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError
from sqlalchemy import Column, Engine, MetaData, Table, Text, Uuid, event, text

from penstock import WriteIntent
from penstock.consumer import (
    Append,
    ConflictFault,
    DataFault,
    DeploymentFault,
    Drain,
    EnvironmentFault,
    Fault,
    Probe,
)
from penstock.consumer.breaker import breaker
from penstock.consumer.breaker.event_source import MARK
from penstock.database import make_engine
from penstock.database.migrate import upgrade
from penstock.local.postgres import Postgres
from penstock.settings import Settings, SettingsError
from penstock.testing import LambdaContext, MemoryQueue, sqs_event
from tests.support.breaker import NoteTaken, consider
from tests.support.lambdas import FUNCTION, MAPPING, LambdaStub, refusal

NOWHERE = "postgresql://nobody@127.0.0.1:1/nowhere"

notes = Table("notes", MetaData(), Column("intent_id", Uuid, primary_key=True), Column("text", Text))


class Bench:
    """A drain and a probe on one database, with the Lambda between them."""

    def __init__(self, url: str, aws: LambdaStub, mapping: str = MAPPING) -> None:
        self.aws = aws
        self.engine = make_engine(url)
        self.dead_letters = MemoryQueue()
        settings = Settings(event_source_mapping=mapping)
        self.drain = Drain(settings, engine=self.engine, queue=MemoryQueue(), dead_letters=self.dead_letters)
        self.drain.write(NoteTaken, Append(notes))
        client: Any = aws
        self._probe = Probe(settings, engine=self.engine, client=client)

    def __call__(self, *intents: WriteIntent) -> int:
        """Drain them; return how many were handed back."""
        answer = self.drain.handler(sqs_event(intents or [NoteTaken(text="a")]), LambdaContext())
        return len(answer["batchItemFailures"])

    def probe(self) -> str:
        return self._probe.handler({}, LambdaContext())["breaker"]


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> LambdaStub:
    stub = LambdaStub()
    monkeypatch.setattr(breaker, "lambda_client", lambda: stub)
    return stub


@pytest.fixture(scope="module")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    server = Postgres(tmp_path_factory.mktemp("server"))
    server.start()
    upgrade(server.url())
    with psycopg.connect(server.url()) as connection:
        connection.execute("CREATE TABLE notes (intent_id uuid PRIMARY KEY, text text)")
    yield server
    server.stop()


@pytest.fixture
def server(own_server: Postgres) -> Iterator[Postgres]:
    """A Postgres of our own, to be ill-treated; well again before each test."""
    own_server.start()
    yield own_server
    own_server.thaw()


@pytest.fixture
def bench(server: Postgres, aws: LambdaStub) -> Iterator[Bench]:
    bench = Bench(server.url(), aws)
    yield bench
    bench.engine.dispose()


@pytest.fixture
def nowhere() -> Iterator[Engine]:
    engine = make_engine(NOWHERE)
    yield engine
    engine.dispose()


def test_an_outage_turns_the_drain_off(server: Postgres, bench: Bench) -> None:
    """A drain without its database hands back, dead-letters nothing, and turns off its own mapping, once."""
    assert bench() == 0
    server.stop()
    assert bench() == 1
    assert bench.dead_letters.messages == []
    assert not bench.aws.on
    assert bench.aws.tags[MARK].startswith("OperationalError 2")
    # Marked before and after: see the order of events in the breaker's module.
    assert bench.aws.named == ["tag_resource", "update_event_source_mapping", "tag_resource"]


def test_the_drain_comes_back_by_itself(server: Postgres, bench: Bench) -> None:
    """The probe leaves the mapping off as long as the database is away, turns it on after, then takes the mark."""
    server.kill()
    bench()
    assert [bench.probe(), bench.aws.on] == ["open", False]
    server.start()
    assert [bench.probe(), bench.aws.on, bench.aws.marked] == ["half-open", True, True]
    assert [bench.probe(), bench.aws.on, bench.aws.marked] == ["closed", True, False]
    assert bench() == 0


def test_a_lost_connection_alone_trips_nothing(bench: Bench) -> None:
    """A connection that is cut, and the one after it, cost one batch its turn, and the drain stays on."""
    left = iter(range(2))

    def cut(connection: Any, *_: Any) -> None:
        if next(left, None) is None:
            return
        with psycopg.connect(bench.engine.url.set(drivername="postgresql").render_as_string(False)) as other:
            other.execute(
                "SELECT pg_terminate_backend(%s)", [connection.connection.driver_connection.info.backend_pid]
            )

    event.listen(bench.engine, "after_cursor_execute", cut)
    assert bench() == 1
    assert bench.aws.calls == []
    assert bench() == 0


@pytest.mark.parametrize(
    "fault",
    [
        ConflictFault("DeadlockDetected"),
        EnvironmentFault("DeadlineExceeded"),
        EnvironmentFault("QueryCanceled"),
        DataFault("UniqueViolation"),
    ],
    ids=str,
)
def test_what_says_nothing_of_the_database_trips_nothing(aws: LambdaStub, nowhere: Engine, fault: Fault) -> None:
    """Others in the way, a batch too big for its time and bad data are no outage; nobody is asked."""
    consider(aws, fault, nowhere)
    assert aws.calls == []


@pytest.mark.parametrize("fault", [EnvironmentFault("OperationalError"), DeploymentFault("OperationalError")])
def test_a_whole_batch_against_a_closed_door_trips(aws: LambdaStub, nowhere: Engine, fault: Fault) -> None:
    """Whether the database is away or refuses our password: what no batch can pass turns the drain off."""
    consider(aws, fault, nowhere)
    assert (aws.on, aws.marked) == (False, True)


def test_a_missing_ledger_trips(bench: Bench) -> None:
    """Without the ledger no kind can land: the drain is off until it is there."""
    with bench.engine.begin() as connection:
        connection.execute(text("ALTER TABLE penstock.ledger RENAME TO elsewhere"))
    try:
        assert bench() == 1
        assert not bench.aws.on
        assert bench.probe() == "open"
    finally:
        with bench.engine.begin() as connection:
            connection.execute(text("ALTER TABLE penstock.elsewhere RENAME TO ledger"))
    assert bench.probe() == "half-open"


def test_a_missing_table_of_one_kind_trips_nothing(bench: Bench) -> None:
    """A kind whose table is missing does not stop the others, even where a batch holds nothing else."""
    with bench.engine.begin() as connection:
        connection.execute(text("ALTER TABLE notes RENAME TO elsewhere"))
    try:
        assert bench() == 1
    finally:
        with bench.engine.begin() as connection:
            connection.execute(text("ALTER TABLE elsewhere RENAME TO notes"))
    assert bench.aws.calls == []


def test_without_time_to_ask_again_it_trips_at_once(server: Postgres, bench: Bench) -> None:
    """With seconds left suspicion of the database is enough, that of the code is not; with less, nothing is."""
    consider(bench.aws, EnvironmentFault("OperationalError"), bench.engine, seconds=3)
    assert (bench.aws.on, bench.aws.calls) == (True, [])
    consider(bench.aws, DeploymentFault("UndefinedTable"), bench.engine, seconds=8)
    assert (bench.aws.on, bench.aws.calls) == (True, [])
    consider(bench.aws, EnvironmentFault("OperationalError"), bench.engine, seconds=8)
    assert not bench.aws.on
    assert bench.probe() == "half-open"


REFUSALS = [
    refusal("AccessDeniedException"),
    refusal("ResourceInUseException"),
    refusal("ResourceConflictException"),
    refusal("ResourceNotFoundException"),
    refusal("TooManyRequestsException"),
    refusal("ServiceException"),
    EndpointConnectionError(endpoint_url="https://hunter2"),
    ReadTimeoutError(endpoint_url="https://hunter2"),
    RuntimeError("hunter2"),
]


@pytest.mark.parametrize("call", ["tag_resource", "update_event_source_mapping"])
@pytest.mark.parametrize("error", REFUSALS, ids=lambda error: type(error).__name__)
def test_a_breaker_that_cannot_trip_is_a_log_line(
    aws: LambdaStub, nowhere: Engine, caplog: pytest.LogCaptureFixture, call: str, error: Exception
) -> None:
    """Whatever Lambda says, nothing is raised or off unmarked, and the log names the error by code alone."""
    aws.refusals[call] = error
    consider(aws, EnvironmentFault("OperationalError"), nowhere)
    assert aws.on or aws.marked
    (line,) = [record for record in caplog.records if record.name == breaker.__name__]
    assert "breaker" in line.getMessage()
    assert "hunter2" not in str(vars(line))


def test_a_failing_breaker_costs_the_batch_nothing(
    server: Postgres, bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """Without the permission to trip the batch is handed back as ever."""
    bench.aws.refusals["tag_resource"] = refusal("AccessDeniedException")
    server.stop()
    assert bench() == 1
    assert "breaker not tripped: AccessDeniedException" in caplog.messages


def test_two_consumers_trip_at_once(aws: LambdaStub, nowhere: Engine) -> None:
    """The second consumer finds the mapping off, or being turned off, and that is fine."""
    consider(aws, EnvironmentFault("OperationalError"), nowhere)
    consider(aws, EnvironmentFault("OperationalError"), nowhere)
    aws.refusals["update_event_source_mapping"] = refusal("ResourceInUseException")
    consider(aws, EnvironmentFault("OperationalError"), nowhere)
    assert (aws.on, aws.marked) == (False, True)


def test_a_mapping_that_nobody_named_is_a_log_line(
    aws: LambdaStub, nowhere: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    """Without the setting there is no breaker, the log says so, and nobody is asked anything."""
    consider(aws, EnvironmentFault("OperationalError"), nowhere, mapping="")
    assert aws.calls == []
    assert caplog.messages == ["breaker not tripped: PENSTOCK_EVENT_SOURCE_MAPPING is not set"]


def test_the_drain_finds_its_mapping_by_its_own_name(aws: LambdaStub, nowhere: Engine) -> None:
    """Named by function and queue, the one mapping between them is turned off."""
    consider(aws, EnvironmentFault("OperationalError"), nowhere, mapping=FUNCTION)
    assert aws.named[0] == "list_event_source_mappings"
    assert not aws.on


@pytest.mark.parametrize("feeds", [[], [MAPPING, MAPPING]])
def test_a_name_that_means_no_single_mapping_turns_nothing_off(
    aws: LambdaStub, nowhere: Engine, caplog: pytest.LogCaptureFixture, feeds: list[str]
) -> None:
    """None or several mappings under the name: the log says how many, and all stay on."""
    aws.feeds = feeds
    consider(aws, EnvironmentFault("OperationalError"), nowhere, mapping=FUNCTION)
    assert aws.on
    expected = f"breaker not tripped: {len(feeds)} event source mappings feed {FUNCTION}"
    assert caplog.messages == [expected]


def test_what_an_operator_turned_off_stays_off(aws: LambdaStub) -> None:
    """A mapping that is off without the mark is left alone, and the database is not even asked."""
    aws.on = False
    bench = Bench(NOWHERE, aws)
    assert bench.probe() == "closed"
    assert not aws.on
    assert aws.named == ["list_tags"]


UNWELL = {
    "a reader": "ALTER DATABASE postgres SET default_transaction_read_only = on",
    "a standby that does not answer": "ALTER SYSTEM SET synchronous_standby_names = 'nobody'",
}


@pytest.mark.parametrize("what", UNWELL)
def test_a_database_that_only_answers_is_not_well(server: Postgres, aws: LambdaStub, what: str) -> None:
    """A server that reads but cannot write, or write but not commit, keeps the drain off until it can."""
    aws.on, aws.tags = False, {MARK: "then"}
    run(server, UNWELL[what])
    bench = Bench(server.url(), aws)
    try:
        assert bench.probe() == "open"
    finally:
        run(server, "ALTER DATABASE postgres RESET default_transaction_read_only", "ALTER SYSTEM RESET ALL")
    assert bench.probe() == "half-open"
    bench.engine.dispose()


def run(server: Postgres, *statements: str) -> None:
    with psycopg.connect(server.url(), autocommit=True) as connection:
        # Neither a reader's mode nor a standby that is missing may hold up its own repair.
        connection.execute("SET default_transaction_read_only = off; SET synchronous_commit = local")
        for statement in statements:
            connection.execute(statement)
        connection.execute("SELECT pg_reload_conf()")


def test_a_frozen_database_is_not_waited_for(server: Postgres, bench: Bench) -> None:
    """A server that has stopped answering holds the probe no longer than its limits, and is not well."""
    bench.aws.on, bench.aws.tags = False, {MARK: "then"}
    assert bench.probe() == "half-open"
    bench.aws.on = False
    server.freeze()
    assert bench.probe() == "open"
    server.thaw()
    assert bench.probe() == "half-open"


def test_a_checkup_leaves_nothing_behind(bench: Bench) -> None:
    """The write of a checkup is in no table afterwards."""
    with bench.engine.connect() as connection:
        before = connection.scalar(text("SELECT count(*) FROM penstock.ledger"))
    bench.aws.tags = {MARK: "then"}
    assert bench.probe() == "closed"
    with bench.engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM penstock.ledger")) == before


def test_a_mapping_that_is_being_changed_is_turned_on_a_round_later(bench: Bench) -> None:
    """A deployment that holds the mapping is not fought with; the mark stays until the mapping is on."""
    bench.aws.on, bench.aws.tags = False, {MARK: "then"}
    bench.aws.refusals["update_event_source_mapping"] = refusal("ResourceInUseException")
    assert bench.probe() == "half-open"
    assert (bench.aws.on, bench.aws.marked) == (False, True)
    bench.aws.refusals.clear()
    bench.probe()
    assert bench.aws.on


def test_a_probe_that_may_not_heal_fails_loudly(bench: Bench) -> None:
    """A probe without its permissions or its settings raises, for the alarm on its errors to see."""
    bench.aws.on, bench.aws.tags = False, {MARK: "then"}
    bench.aws.refusals["update_event_source_mapping"] = refusal("AccessDeniedException")
    with pytest.raises(ClientError, match="AccessDenied"):
        bench.probe()
    client: Any = bench.aws
    with pytest.raises(SettingsError, match="PENSTOCK_EVENT_SOURCE_MAPPING"):
        Probe(Settings(), engine=bench.engine, client=client).handler({}, LambdaContext())


def trip_calls() -> list[tuple[str, dict[str, Any]]]:
    """What a consumer says to Lambda when it trips."""
    stub = LambdaStub()
    engine = make_engine(NOWHERE)
    consider(stub, EnvironmentFault("OperationalError"), engine)
    engine.dispose()
    assert len(stub.calls) == 3
    return stub.calls


@pytest.mark.parametrize("on", [True, False])
def test_no_order_of_events_leaves_the_drain_off_for_good(bench: Bench, on: bool) -> None:
    """However a consumer's calls fall between those of a probe, what is off is marked: the next probe finds it."""
    calls = trip_calls()
    for moments in combinations_with_replacement(range(6), len(calls)):
        stub = bench.aws
        stub.on, stub.tags = on, {MARK: "then"}
        pending, seen = list(zip(moments, calls, strict=True)), iter(range(100))

        def between(pending: Any = pending, seen: Any = seen, stub: Any = stub) -> None:
            now = next(seen)
            while pending and pending[0][0] <= now:
                _, (name, arguments) = pending.pop(0)
                getattr(stub, f"_{name}")(**arguments)

        stub.before = between
        bench.probe()
        stub.before = lambda: None
        for _, (name, arguments) in pending:
            getattr(stub, f"_{name}")(**arguments)
        assert stub.on or stub.marked, moments


@pytest.mark.parametrize("done", range(4))
def test_a_consumer_killed_while_tripping_leaves_nothing_off_for_good(aws: LambdaStub, done: int) -> None:
    """After any of its calls the mapping is on, or the mark is there."""
    for name, arguments in trip_calls()[:done]:
        getattr(aws, f"_{name}")(**arguments)
    assert aws.on or aws.marked
