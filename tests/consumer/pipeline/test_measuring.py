"""What is measured of a batch, as CloudWatch reads it."""

import time
from collections.abc import Callable
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

import pytest
from opentelemetry import metrics as api
from sqlalchemy import BigInteger, Column, Engine, MetaData, Table, Text, Uuid, text

from penstock import WriteIntent
from penstock.consumer import Append, Drain, Upsert
from penstock.consumer.batch import Item
from penstock.consumer.pipeline import measuring
from penstock.database import make_engine
from penstock.intents import encode_envelope
from penstock.queue.message import DELAY_ATTRIBUTE
from penstock.settings import Settings
from penstock.testing import LambdaContext, MemoryQueue, sqs_event
from tests.support.breaker import NOWHERE
from tests.support.drain import Bench, LaterKind, ThingMade
from tests.support.holds import store_of
from tests.support.meters import Kept
from tests.support.packs import pack
from tests.support.printed import HERE, printed_in, values_in

metadata = MetaData()
states, newest = (
    Table(
        name,
        metadata,
        Column("name", Text, primary_key=True),
        Column("version", BigInteger),
        Column("value", Text),
    )
    for name in ("states", "newest")
)

Values = Callable[..., list[float]]


class StateSet(WriteIntent, kind="state.set"):
    name: str
    version: int
    value: str = "x"


@pytest.fixture(autouse=True)
def _function(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**HERE, "PENSTOCK_METRICS": "true"}.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def values(capsys: pytest.CaptureFixture[str]) -> Values:
    """Return what reads the values of a metric in what was printed since the last look."""
    printed: list[str] = []

    def read(name: str, *, again: bool = False, **label: str) -> list[float]:
        if not again:
            printed[:] = [capsys.readouterr().out]
        return values_in(printed[0], name, **label)

    return read


def _drain(engine: Engine, settings: Settings | None = None) -> Drain:
    metadata.create_all(engine)
    drain = Drain(settings, engine=engine, queue=MemoryQueue(), dead_letters=MemoryQueue())
    drain.write(StateSet, Upsert(states, key="name", version="version"))
    return drain


def test_what_became_of_a_batch(engine: Engine, values: Values) -> None:
    """Applied, dead, duplicate and handed back, in all and by kind; a kind that is not declared is `other`."""
    bench = Bench(engine)
    good, twice = ThingMade(name="a"), ThingMade(name="b")
    bench([twice])
    assert values("Applied") == [1]
    bench([good, good, twice, ThingMade(name="a"), ThingMade(name="c", parent="later"), "no json", LaterKind(x=1)])
    assert values("BatchSize") == [7]
    assert values("Applied", again=True) == values("Applied", again=True, kind="thing.made") == [1]
    assert values("Duplicate", again=True) == [2]
    assert values("Dead", again=True) == [2]
    assert values("Dead", again=True, kind="thing.made") == values("Dead", again=True, kind="other") == [1]
    assert values("HandedBack", again=True) == values("HandedBack", again=True, cause="not-yet") == [2]


def test_a_pack_counts_as_its_intents(engine: Engine, values: Values) -> None:
    """What is measured are intents: those that are sent again apart from their pack are handed back, not dead."""
    bench = Bench(engine)
    packed = [ThingMade(name="a"), ThingMade(name="b"), ThingMade(name="a"), ThingMade(name="c", parent="later")]
    assert bench([pack(packed), ThingMade(name="d")]) == []
    assert values("BatchSize") == [5]
    assert values("Applied", again=True) == [3]
    assert values("Dead", again=True) == [1]
    assert values("HandedBack", again=True) == values("HandedBack", again=True, cause="not-yet") == [1]


def test_every_state_of_an_item_is_thought_of() -> None:
    """A new flag of an item may be a new outcome, which must not count as applied: name it in `measuring.py`."""
    flags = {one.name for one in fields(Item) if one.type is bool}
    assert flags == {"retry_later", "claimed", "stale", "duplicate", "id_conflict", "expired", "held"}


def test_no_label_comes_from_a_message(engine: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever a message says, the dimensions are service and function, and a label of a known set."""
    bench = Bench(engine)
    foreign = encode_envelope(ThingMade(name="x"), id=ThingMade(name="x").intent_id, source="/4111")
    bench([ThingMade(name="secret", parent="4111"), LaterKind(x=4111), foreign.replace("thing.made", "4111")])
    printed = printed_in(capsys.readouterr().out)
    assert printed
    assert {name for one in printed for name in one.dimensions} <= {"service", "function", "kind", "cause"}
    assert "4111" not in str([one.dimensions for one in printed])


@pytest.mark.parametrize("pipelines", [True, False])
def test_stale_intents_are_told_from_applied_ones(engine: Engine, values: Values, pipelines: bool) -> None:
    """On the fast path Postgres alone knows which intents came after a newer one."""
    drain = _drain(engine, Settings(metrics=True, pipelines=pipelines))
    batch = [StateSet(name="a", version=2), StateSet(name="a", version=1), StateSet(name="b", version=1)]
    drain.handler(sqs_event(batch), LambdaContext())
    assert (values("Stale"), values("Applied", again=True)) == ([1], [2])
    drain.handler(sqs_event([StateSet(name="a", version=1), StateSet(name="c", version=1)]), LambdaContext())
    assert values("Stale", kind="state.set") == values("Applied", again=True, kind="state.set") == [1]


def test_stale_intents_on_the_isolating_path(engine: Engine, values: Values) -> None:
    """A repetition sends the batch down the other path, and the counts are the same."""
    drain = _drain(engine)
    first = StateSet(name="a", version=5)
    drain.handler(sqs_event([first]), LambdaContext())
    values("Applied")
    drain.handler(
        sqs_event([first, StateSet(name="a", version=3), StateSet(name="a", version=9)]), LambdaContext()
    )
    assert values("Stale") == values("Applied", again=True) == values("Duplicate", again=True) == [1]


def test_an_intent_that_lands_in_one_of_two_tables_is_applied(engine: Engine, values: Values) -> None:
    """A kind with several writes is stale only if it is in all of them."""
    metadata.create_all(engine)
    drain = Drain(engine=engine, queue=MemoryQueue(), dead_letters=MemoryQueue())
    both = [Upsert(table, key="name", version="version") for table in (states, newest)]
    drain.write(StateSet, *both)
    with engine.begin() as connection:
        connection.execute(states.insert(), {"name": "a", "version": 9, "value": "x"})
    batch = [StateSet(name="a", version=1), StateSet(name="b", version=1), StateSet(name="b", version=0)]
    drain.handler(sqs_event(batch), LambdaContext())
    assert (values("Applied"), values("Stale", again=True)) == ([2], [1])


def test_time_and_round_trips(engine: Engine, values: Values) -> None:
    """The lag is counted from SQS's time; a batch waits once, with its COMMIT."""
    bench = Bench(engine)
    bench([ThingMade(name="0")])
    values("Lag")
    event = sqs_event([ThingMade(name=str(number)) for number in range(1, 301)])
    sent = time.time() - 300
    for number, record in enumerate(event["Records"]):
        record["attributes"]["SentTimestamp"] = str(round((sent + number) * 1000))
    bench.failed(event)
    lags = values("Lag")
    assert len(lags) == 100
    assert [min(lags), max(lags)] == pytest.approx([1, 300], abs=30)
    assert values("RoundTrips", again=True) == [1]
    (seconds,) = values("BatchDuration", again=True)
    assert 0 < seconds < 60


def test_round_trips_without_pipelines(engine: Engine, values: Values) -> None:
    """Without pipelines BEGIN, the limits, the write and the COMMIT are waited for one by one."""
    drain = _drain(engine, Settings(metrics=True, pipelines=False))
    drain.handler(sqs_event([StateSet(name="a", version=1)]), LambdaContext())
    values("RoundTrips")
    drain.handler(sqs_event([StateSet(name="a", version=2)]), LambdaContext())
    assert values("RoundTrips") == [4]


def test_sessions_are_counted_once_a_minute(database_url: str, values: Values) -> None:
    """All sessions of the service count, and none of another one; each is not asked for with every batch."""
    engine = make_engine(database_url)
    other = make_engine(database_url)
    with other.connect() as connection:
        connection.execute(text("SELECT set_config('application_name', 'shop:shop-dev-writes:1', false)"))
        with make_engine(database_url).connect() as foreign:
            foreign.execute(text("SELECT set_config('application_name', 'shopping:shop:1', false)"))
            bench = Bench(engine)
            bench([ThingMade(name="a")])
            assert values("Connections") == [2]
            bench([ThingMade(name="b")])
            assert values("Connections") == []
            foreign.detach()
    for one in (engine, other):
        one.dispose()


def test_an_outage_is_a_cause(values: Values, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch that goes back as a whole counts by the fault of the whole, and nobody is asked for sessions."""
    kept = Kept()
    monkeypatch.setattr(api, "get_meter_provider", lambda: kept)
    drain = Drain(engine=make_engine(NOWHERE), queue=MemoryQueue(), dead_letters=MemoryQueue())
    things = Table("things_away", MetaData(), Column("intent_id", Uuid, primary_key=True), Column("text", Text))
    drain.write(_Note, Append(things))
    drain.handler(sqs_event([_Note(text="a"), _Note(text="b")]), LambdaContext())
    assert values("HandedBack", cause="outage") == values("HandedBack", again=True) == [2]
    assert values("Applied", again=True) == values("Connections", again=True) == []
    ((_, attributes),) = kept.points["messaging.process.duration"]
    assert attributes["error.type"] == "outage"


class _Note(WriteIntent, kind="note.away"):
    text: str


def test_a_drain_that_fails_is_measured(engine: Engine, values: Values, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lambda takes back the batch of a function that raises: it counts, and what was measured is printed."""

    def fails(*_: Any, **__: Any) -> None:
        raise RuntimeError

    bench = Bench(engine)
    monkeypatch.setattr("penstock.consumer.drain.write_batch", fails)
    with pytest.raises(RuntimeError):
        bench([ThingMade(name="a"), ThingMade(name="b")])
    assert values("HandedBack", cause="other") == [2]
    assert values("BatchSize", again=True) == [2]


def test_metrics_that_fail_change_no_answer(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing raises after the commit: an error of measuring is logged, and the batch is acknowledged."""

    def fails(*_: Any) -> None:
        raise ValueError

    monkeypatch.setattr(measuring, "_lags", fails)
    bench = Bench(engine)
    assert bench([ThingMade(name="a")]) == []
    assert bench.names == ["a"]
    assert "metrics failed: ValueError" in [record.getMessage() for record in caplog.records]


def test_opentelemetry_gets_the_same(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a provider of meters, and nothing printed, the instruments have the names of the conventions."""
    kept = Kept()
    monkeypatch.setattr(api, "get_meter_provider", lambda: kept)
    monkeypatch.delenv("PENSTOCK_METRICS")
    Bench(engine)([ThingMade(name="a"), ThingMade(name="b"), "no json"])
    named = {
        "messaging.system": "aws_sqs",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": "test",
    }
    assert kept.points["messaging.client.consumed.messages"] == [(3, named)]
    ((seconds, attributes),) = kept.points["messaging.process.duration"]
    assert (seconds > 0, attributes) == (True, named)
    assert sorted(kept.points["penstock.intents"], key=str) == [
        (1, {"penstock.outcome": "dead", "penstock.kind": "other"}),
        (2, {"penstock.outcome": "applied", "penstock.kind": "thing.made"}),
    ]


def test_what_is_set_aside_is_counted_apart(engine: Engine, values: Values) -> None:
    """Expired and held intents are neither applied nor do they have a lag."""
    bench, late = Bench(engine), ThingMade(name="late")
    store_of(engine).hold("thing.made", None, "me")
    body = encode_envelope(late, id=late.intent_id, source="/test", expires_at=datetime.now(UTC))
    bench([body, ThingMade(name="a"), ThingMade(name="b")])
    assert (values("Expired"), values("Held", again=True)) == ([1], [2])
    assert values("Applied", again=True) == values("Lag", again=True) == []


def test_a_delay_is_no_lag(engine: Engine, values: Values) -> None:
    """Of the age of a message, the delay that its sender wanted does not count."""
    bench = Bench(engine)
    event = sqs_event([ThingMade(name="a")])
    sent = round((time.time() - 620) * 1000)
    event["Records"][0]["attributes"]["SentTimestamp"] = str(sent)
    event["Records"][0]["messageAttributes"] = {DELAY_ATTRIBUTE: {"stringValue": "600", "dataType": "Number"}}
    bench.failed(event)
    (lag,) = values("Lag")
    assert 20 <= lag < 600
