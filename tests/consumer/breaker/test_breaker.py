"""When the breaker trips, and how, on a Lambda in memory and a real Postgres that is stopped."""

from itertools import combinations_with_replacement
from typing import Any

import psycopg
import pytest
from botocore.exceptions import EndpointConnectionError, ReadTimeoutError
from sqlalchemy import Engine, event, text

from penstock.consumer import ConflictFault, DataFault, DeploymentFault, EnvironmentFault, Fault
from penstock.consumer.breaker import breaker
from penstock.consumer.breaker.event_source import MARK
from penstock.database import make_engine
from penstock.local.postgres import Postgres
from penstock.testing import LambdaContext, sqs_event
from tests.support.breaker import NOWHERE, Bench, NoteTaken, consider
from tests.support.lambdas import FUNCTION, MAPPING, LambdaStub, refusal


def test_an_outage_turns_the_drain_off(server: Postgres, bench: Bench) -> None:
    """Without its database a drain retries the batch, dead-letters nothing, and disables its mapping once."""
    assert bench() == 0
    server.stop()
    assert bench() == 1
    assert bench.dead_letters.messages == []
    assert not bench.aws.on
    assert bench.aws.tags[MARK].startswith("OperationalError 2")
    # Marked before and after: see the docstring of the breaker's module.
    assert bench.aws.named == ["tag_resource", "update_event_source_mapping", "tag_resource"]


def test_a_lost_connection_alone_trips_nothing(bench: Bench) -> None:
    """If two connections in a row are cut, one batch is retried, and the drain stays on."""
    left = iter(range(2))

    def cut(connection: Any, *_: Any) -> None:
        if next(left, None) is None:
            return
        with psycopg.connect(bench.engine.url.set(drivername="postgresql").render_as_string(False)) as other:
            # It returns when the connection is gone: a second cut of the same one would cut nothing.
            backend = connection.connection.driver_connection.info.backend_pid
            other.execute("SELECT pg_terminate_backend(%s, 10000)", [backend])

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
def test_other_faults_trip_nothing(aws: LambdaStub, nowhere: Engine, fault: Fault) -> None:
    """Conflicts, timeouts of large batches and bad data are no outage; Lambda is not called."""
    consider(aws, fault, nowhere)
    assert aws.calls == []


@pytest.mark.parametrize("fault", [EnvironmentFault("OperationalError"), DeploymentFault("OperationalError")])
def test_an_unreachable_database_trips(aws: LambdaStub, nowhere: Engine, fault: Fault) -> None:
    """A database that is away, or refuses the password, turns the drain off."""
    consider(aws, fault, nowhere)
    assert (aws.on, aws.marked) == (False, True)


def test_a_missing_ledger_trips(bench: Bench) -> None:
    """Without the ledger no kind can be written: the drain is off until the ledger exists again."""
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
    """A kind whose table is missing does not stop the others, even if a batch holds no other kind."""
    with bench.engine.begin() as connection:
        connection.execute(text("ALTER TABLE notes RENAME TO elsewhere"))
    try:
        assert bench() == 1
    finally:
        with bench.engine.begin() as connection:
            connection.execute(text("ALTER TABLE elsewhere RENAME TO notes"))
    assert bench.aws.calls == []


def test_without_time_for_a_health_check_it_trips_at_once(server: Postgres, bench: Bench) -> None:
    """With little time an environment fault trips and a deployment fault does not; with less, neither does."""
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
    """On any error of Lambda nothing is raised or disabled unmarked, and the log has only the error's code."""
    aws.refusals[call] = error
    moved = consider(aws, EnvironmentFault("OperationalError"), nowhere)
    assert aws.on or aws.marked
    assert moved is None
    (line,) = [record for record in caplog.records if record.name == breaker.__name__]
    assert "breaker" in line.getMessage()
    assert "hunter2" not in str(vars(line))


def test_a_failing_breaker_costs_the_batch_nothing(
    server: Postgres, bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """Without the permission to trip, the batch is still retried."""
    bench.aws.refusals["tag_resource"] = refusal("AccessDeniedException")
    server.stop()
    assert bench() == 1
    assert "breaker not tripped: AccessDeniedException" in caplog.messages


def test_a_batch_near_the_end_of_its_retention_trips_nothing(bench: Bench, server: Postgres) -> None:
    """In an outage the drain goes on while it finds messages to dead-letter before the queue drops them."""
    server.stop()
    event = sqs_event([NoteTaken(text="old"), NoteTaken(text="young")])
    sent_at = bench.queue.clock() - 13 * 86_400
    event["Records"][0]["attributes"]["SentTimestamp"] = str(int(sent_at * 1000))
    assert len(bench.drain.handler(event, LambdaContext())["batchItemFailures"]) == 1
    assert len(bench.dead_letters.messages) == 1
    assert bench.aws.on
    bench(NoteTaken(text="young"))
    assert not bench.aws.on


def test_two_consumers_trip_at_once(aws: LambdaStub, nowhere: Engine) -> None:
    """The second consumer finds the mapping disabled or being disabled; only who disables it tells the hooks."""
    assert consider(aws, EnvironmentFault("OperationalError"), nowhere)
    consider(aws, EnvironmentFault("OperationalError"), nowhere)
    aws.refusals["update_event_source_mapping"] = refusal("ResourceInUseException")
    assert consider(aws, EnvironmentFault("OperationalError"), nowhere) is None
    assert (aws.on, aws.marked) == (False, True)


def test_a_missing_setting_is_a_log_line(
    aws: LambdaStub, nowhere: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    """Without the setting there is no breaker: the log says so, and Lambda is not called."""
    consider(aws, EnvironmentFault("OperationalError"), nowhere, mapping="")
    assert aws.calls == []
    assert caplog.messages == ["breaker not tripped: PENSTOCK_EVENT_SOURCE_MAPPING is not set"]


def test_the_drain_finds_its_mapping_by_function_and_queue(aws: LambdaStub, nowhere: Engine) -> None:
    """The only mapping between the function and the queue is disabled."""
    consider(aws, EnvironmentFault("OperationalError"), nowhere, mapping=FUNCTION)
    assert aws.named[0] == "list_event_source_mappings"
    assert not aws.on


@pytest.mark.parametrize(
    ("invoked", "fed"),
    [(f"{FUNCTION}:live", f"{FUNCTION}:live"), (FUNCTION, FUNCTION), ("other:live", FUNCTION)],
)
def test_the_mapping_of_an_alias_is_found_under_its_name(
    aws: LambdaStub, nowhere: Engine, invoked: str, fed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A drain that was invoked by an alias disables the mapping of the alias, as Lambda lists it."""
    arn = f"arn:aws:lambda:eu-central-1:000000000000:function:{invoked}"
    monkeypatch.setattr(LambdaContext, "invoked_function_arn", arn)
    aws.fed = fed
    consider(aws, EnvironmentFault("OperationalError"), nowhere, mapping=FUNCTION)
    assert (aws.on, aws.marked) == (False, True)


@pytest.mark.parametrize("feeds", [[], [MAPPING, MAPPING]])
def test_an_ambiguous_function_name_turns_nothing_off(
    aws: LambdaStub, nowhere: Engine, caplog: pytest.LogCaptureFixture, feeds: list[str]
) -> None:
    """If the function has none or several mappings, the log has their number, and all stay enabled."""
    aws.feeds = feeds
    consider(aws, EnvironmentFault("OperationalError"), nowhere, mapping=FUNCTION)
    assert aws.on
    expected = f"breaker not tripped: {len(feeds)} event source mappings feed {FUNCTION}"
    assert caplog.messages == [expected]


def trip_calls() -> list[tuple[str, dict[str, Any]]]:
    """Return the calls to Lambda of a consumer that trips."""
    stub = LambdaStub()
    engine = make_engine(NOWHERE)
    consider(stub, EnvironmentFault("OperationalError"), engine)
    engine.dispose()
    assert len(stub.calls) == 3
    return stub.calls


@pytest.mark.parametrize("on", [True, False])
def test_no_order_of_events_leaves_the_drain_off_for_good(bench: Bench, on: bool) -> None:
    """However the calls of a consumer and a probe interleave, a disabled mapping is marked."""
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
    """After each of its calls the mapping is enabled or marked."""
    for name, arguments in trip_calls()[:done]:
        getattr(aws, f"_{name}")(**arguments)
    assert aws.on or aws.marked
