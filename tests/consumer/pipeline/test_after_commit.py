"""After the commit nothing raises, and nothing that a service or a sender does keeps another letter back."""

from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import Connection, Engine

from penstock import WriteIntent
from penstock.consumer import Append, Custom, DataFault, Drain, EnvironmentFault, NotYetFault
from penstock.consumer.dead_letter import DeadLetter
from penstock.consumer.faults.tree import Cause
from penstock.testing import LambdaContext, MemoryQueue, sqs_event
from tests.support.drain import Bench, ThingMade, things


class Told(WriteIntent, kind="told"):
    name: str


class TwoArguments(DataFault):
    def __init__(self, one: str, two: str) -> None:
        super().__init__(one + two)


class NoCause(DataFault):
    def __init__(self) -> None:
        pass


class Later(NotYetFault):
    def __init__(self, one: str, two: str) -> None:
        super().__init__(one + two)


class Unwell(EnvironmentFault):
    def __init__(self, one: str, two: str) -> None:
        super().__init__(one + two)


class TextCause(DataFault):
    def __init__(self) -> None:
        self.cause = "text"  # type: ignore[assignment]


class RawCause(DataFault):
    def __init__(self) -> None:
        self.cause = Cause("a\x00\ud800b", fields=["x"])  # type: ignore[arg-type]

    def __str__(self) -> str:
        raise KeyError


given: Any = ["a", "list"]
FAULTS = [
    DataFault("a\x00b"),
    DataFault("a\ud800b"),
    DataFault("a\x01b"),
    DataFault("a\uffffb"),
    DataFault("x" * 2_000_000),
    DataFault(given),
    DataFault(Cause(given, fields=given, table="\x00")),
    DataFault(Cause("a", fields="b")),  # type: ignore[arg-type]
    TwoArguments("a", "b"),
    NoCause(),
    TextCause(),
    RawCause(),
    Later("a", "b"),
    Unwell("a", "b"),
]


@pytest.mark.parametrize("fault", FAULTS, ids=[f"{type(fault).__name__} {n}" for n, fault in enumerate(FAULTS)])
def test_no_fault_of_the_service_blocks_the_batch(engine: Engine, fault: Exception) -> None:
    """Whatever a function raises for one intent, its neighbours land, and this one is dead or goes back."""
    bench = Bench(engine)
    seen: list[str] = []

    def tell(_connection: Connection, intents: Sequence[Told]) -> None:
        if any(intent.name == "bad" for intent in intents):
            raise fault
        seen.extend(intent.name for intent in intents)

    bench.drain.write(Told, Custom(tell))
    failed = bench([ThingMade(name="thing"), Told(name="good"), Told(name="bad"), "nonsense"])
    if isinstance(fault, Unwell):
        assert len(failed) == 4
        return
    assert bench.names == ["thing"]
    assert seen == ["good"]
    assert len(failed) == isinstance(fault, Later)
    assert len(bench.dead_letters.messages) == 2 - len(failed)
    assert all(DeadLetter.read(message.attributes) for message in bench.dead_letters.messages)


ODD: list[Any] = [
    {"a": 7},
    {"a": None},
    {"a": {"stringValue": ""}},
    {"a": {"stringValue": 5}},
    {"a": {"stringValue": "\ud800"}},
    {"a": {"binaryValue": "é"}},
    {"a": {"binaryValue": 3}},
    {"a": {"dataType": "String", "stringListValues": ["x"]}},
    {"a": {"stringValue": "x", "dataType": "\ud800"}},
    {"\ud800": {"stringValue": "x"}},
    {"": {"stringValue": "x"}},
    {5: {"stringValue": "x"}},
    ["a"],
    "a",
]


@pytest.mark.parametrize("odd", ODD, ids=str)
def test_odd_attributes_keep_no_letter_back(engine: Engine, odd: Any) -> None:
    """A record with attributes that SQS would not accept is dead-lettered without them, like its neighbours."""
    bench = Bench(engine)
    event = sqs_event(["nonsense", "nonsense too", ThingMade(name="a")])
    event["Records"][0]["messageAttributes"] = odd
    event["Records"][0]["attributes"] |= {"ApproximateFirstReceiveTimestamp": "9" * 15}
    assert bench.failed(event) == []
    assert len(bench.letters) == 2


@pytest.mark.parametrize("positions", [[0], [0, 1]])
def test_a_letter_that_sqs_refuses_is_sent_without_the_attributes_of_its_sender(
    engine: Engine, positions: list[int]
) -> None:
    """If SQS refuses one letter or a whole call as invalid, each letter is sent with its fault alone."""
    bench = Bench(engine)
    event = sqs_event(["nonsense", "nonsense too"])
    for record in event["Records"]:
        record["messageAttributes"] = {"region": {"stringValue": "eu", "dataType": "String.\u00e9"}}
    bench.dead_letters.refuse("InvalidParameterValue", positions=positions, retryable=False)
    assert bench.failed(event) == []
    assert len(bench.letters) == 2
    kept = ["region" in message.attributes for message in bench.dead_letters.messages]
    assert sorted(kept) == sorted(index not in positions for index in range(2))


@pytest.mark.parametrize("attributes", [None, [], "x", {"ApproximateReceiveCount": 3}, {"SentTimestamp": None}])
def test_odd_system_attributes_keep_no_letter_back(engine: Engine, attributes: Any) -> None:
    """A record whose system attributes are missing or odd is dead-lettered or handed back like its neighbours."""
    bench = Bench(engine)
    event = sqs_event(["nonsense", "nonsense too", ThingMade(name="x", parent="nobody"), ThingMade(name="a")])
    for number in (0, 2):
        event["Records"][number]["attributes"] = attributes
    assert bench.failed(event) == [event["Records"][2]["messageId"]]
    assert len(bench.letters) == 2
    assert bench.names == ["a"]


@pytest.mark.parametrize("count", ["0", "-1", "", "many", "9" * 5000, None])
def test_an_odd_receive_count_raises_nothing(engine: Engine, count: str | None) -> None:
    """A receive count that is no positive number counts as the first."""
    queue, dead = MemoryQueue(), MemoryQueue()
    drain = Drain(engine=engine, queue=queue, dead_letters=dead)
    drain.write(ThingMade, Append(things))
    event = sqs_event([ThingMade(name="x", parent="nobody")])
    event["Records"][0]["attributes"]["ApproximateReceiveCount"] = count
    Bench(engine)
    assert len(drain.handler(event, LambdaContext())["batchItemFailures"]) == 1


def test_a_step_that_raises_leaves_the_response(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever raises after the commit, the response still says what is delivered again."""
    bench = Bench(engine)

    def broken(*_: Any) -> None:
        raise RuntimeError("hunter2")

    for step in ("send_to_dlq", "link_traces", "set_retry_visibility", "log_result"):
        monkeypatch.setattr(f"penstock.consumer.drain.{step}", broken)
    assert len(bench([ThingMade(name="a"), ThingMade(name="x", parent="nobody")])) == 1
    monkeypatch.setattr("penstock.consumer.drain.take_back_ending", broken)
    assert len(bench([ThingMade(name="b"), "nonsense"])) == 2
    assert bench.names == ["a", "b"]
