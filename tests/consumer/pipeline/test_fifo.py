"""FIFO queues: within a message group nothing overtakes a message that goes back to the queue."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, insert, text

from penstock.consumer import Custom, Drain
from penstock.intents import encode_envelope
from penstock.testing import LambdaContext, MemoryQueue, sqs_event
from tests.support.drain import Bench, LaterKind, ThingMade, parents, things


@pytest.fixture
def bench(engine: Engine) -> Bench:
    return Bench(engine)


def _fifo(intents: Sequence[Any], groups: Sequence[str]) -> dict[str, Any]:
    event = sqs_event(intents)
    for number, (record, group) in enumerate(zip(event["Records"], groups, strict=True)):
        record["attributes"] |= {
            "MessageGroupId": group,
            "SequenceNumber": f"{number:020}",
            "MessageDeduplicationId": record["messageId"],
        }
    return event


def _places(event: dict[str, Any], failed: list[str]) -> list[int]:
    return [place for place, record in enumerate(event["Records"]) if record["messageId"] in failed]


def test_a_waiting_message_blocks_its_group(bench: Bench) -> None:
    """The messages behind a child whose parent is missing go back, and other groups are written."""
    intents = [ThingMade(name="a"), ThingMade(name="b", parent="p"), ThingMade(name="c"), ThingMade(name="d")]
    event = _fifo(intents, ["one", "one", "one", "two"])
    assert _places(event, bench.failed(event)) == [1, 2]
    assert bench.names == ["a", "d"]
    with bench.engine.begin() as connection:
        connection.execute(insert(parents).values(name="p"))
    assert bench.failed({"Records": event["Records"][1:3]}) == []
    assert bench.names == ["a", "b", "c", "d"]
    assert bench.letters == []


def test_an_unknown_kind_blocks_its_group(bench: Bench) -> None:
    """A message that waits for its deployment blocks those behind it."""
    event = _fifo([LaterKind(x=1), ThingMade(name="a"), ThingMade(name="b")], ["one", "one", "two"])
    assert _places(event, bench.failed(event)) == [0, 1]
    assert bench.names == ["b"]


def test_a_dead_letter_does_not_block_its_group(bench: Bench) -> None:
    """A group continues behind a dead letter, whose deduplication id is new to the FIFO queue."""
    event = _fifo([ThingMade(name="a"), "nonsense", ThingMade(name="a"), ThingMade(name="b")], ["one"] * 4)
    assert bench.failed(event) == []
    assert bench.names == ["a", "b"]
    messages = bench.dead_letters.messages
    assert [message.group for message in messages] == ["one", "one"]


def test_a_second_payload_of_one_id_blocks_its_group(bench: Bench) -> None:
    """Of two payloads with one id the second goes back if the first is dead, and blocks those behind it."""
    bench([ThingMade(name="taken")])
    bad, good = ThingMade(name="taken"), ThingMade(name="free")
    both = [encode_envelope(intent, id=bad.intent_id, source="/test") for intent in (bad, good)]
    event = _fifo([*both, ThingMade(name="behind")], ["one"] * 3)
    assert _places(event, bench.failed(event)) == [1, 2]
    assert bench.names == ["taken"]
    assert bench.failed({"Records": event["Records"][1:]}) == []
    assert bench.names == ["behind", "free", "taken"]


def test_a_standard_queue_has_tenants_and_no_order(bench: Bench) -> None:
    """A message group without sequence numbers is a tenant of a standard queue, and is never blocked."""
    event = _fifo([ThingMade(name="a", parent="p"), ThingMade(name="b")], ["one", "one"])
    for record in event["Records"]:
        del record["attributes"]["SequenceNumber"]
    assert _places(event, bench.failed(event)) == [0]
    assert bench.names == ["b"]


def test_a_waiting_message_counts_one_attempt(bench: Bench) -> None:
    """The rollback of messages ahead of their group does not count as another attempt of the waiting one."""
    event = _fifo([ThingMade(name="a", parent="p"), ThingMade(name="b")], ["one", "one"])
    bench.failed(event)
    with bench.engine.connect() as connection:
        entries = connection.execute(text("SELECT outcome, attempts FROM penstock.ledger")).all()
    assert sorted(map(tuple, entries)) == [("pending", 1)]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(plan=st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), min_size=1, max_size=12))
def test_order_within_a_group_is_kept(engine: Engine, plan: list[tuple[str, bool]]) -> None:
    """Whichever messages wait, a `Custom` function gets each group in its order, and each intent once."""
    things.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(text("TRUNCATE things, parents, penstock.ledger"))
        connection.execute(text("CREATE TABLE IF NOT EXISTS seen (place serial, size int)"))
        connection.execute(text("TRUNCATE seen RESTART IDENTITY"))

    def note(connection: Connection, intents: Sequence[ThingMade]) -> None:
        connection.execute(text("INSERT INTO seen (size) VALUES (:size)"), [{"size": i.size} for i in intents])
        connection.execute(insert(things), [{"intent_id": i.intent_id, **i.model_dump()} for i in intents])

    drain = Drain(engine=engine, queue=MemoryQueue(), dead_letters=MemoryQueue())
    drain.write(ThingMade, Custom(note))
    intents = [ThingMade(name=str(n), size=n, parent="p" if waits else None) for n, (_, waits) in enumerate(plan)]
    event = _fifo(intents, [group for group, _ in plan])
    failed = drain.handler(event, LambdaContext())["batchItemFailures"]
    with engine.begin() as connection:
        connection.execute(insert(parents).values(name="p"))
    back = _places(event, [failure["itemIdentifier"] for failure in failed])
    assert (
        drain.handler({"Records": [event["Records"][n] for n in back]}, LambdaContext())["batchItemFailures"] == []
    )
    with engine.connect() as connection:
        seen = list(connection.scalars(text("SELECT size FROM seen ORDER BY place")))
    assert sorted(seen) == list(range(len(plan)))
    for group in "abc":
        mine = [n for n in seen if plan[n][0] == group]
        assert mine == sorted(mine)
