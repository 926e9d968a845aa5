"""The drain in a test: what was emitted becomes rows, with the service's own bindings."""

from sqlalchemy import Engine, insert

from penstock.consumer import Append, Drain
from penstock.queue import Outgoing
from penstock.testing import Emitted, MemoryQueue, QueueDrain
from tests.support.drain import ThingMade, metadata, parents, things
from tests.support.packs import pack

drain = Drain()
drain.write(ThingMade, Append(things))


def test_the_kinds_are_the_services_and_the_rest_is_the_tests(
    penstock_engine: Engine, penstock_emitted: Emitted, penstock_drained: QueueDrain
) -> None:
    """A drain that has no settings writes to the test's database, and can be drained again in another test."""
    metadata.create_all(penstock_engine)
    thing = ThingMade(name="a", size=1)
    done = penstock_drained(drain, [thing])
    assert done.outcomes == {thing.intent_id: "applied"}
    assert done.rows(things) == [{"intent_id": thing.intent_id, "name": "a", "size": 1, "parent": None}]
    assert done.rows(parents) == []
    assert penstock_emitted.queue.messages == []
    assert penstock_drained(drain).outcomes == {}
    assert "contract" not in vars(drain)


def test_each_intent_has_its_outcome(
    penstock_engine: Engine, penstock_emitted: Emitted, penstock_drained: QueueDrain
) -> None:
    """What is handed back is pending and stays on the queue, and what is dead has a letter."""
    metadata.create_all(penstock_engine)
    good, orphan = ThingMade(name="a"), ThingMade(name="b", parent="nobody")
    twin = ThingMade(name="a")
    done = penstock_drained(drain, [good, orphan, twin, good])
    assert done.outcomes == {
        good.intent_id: "applied",
        orphan.intent_id: "pending",
        twin.intent_id: "dead",
    }
    assert [(letter.id, letter.sqlstate) for letter in done.dead_letters] == [(str(twin.intent_id), "23505")]
    assert penstock_emitted.of(ThingMade) == [orphan]
    with penstock_engine.begin() as connection:
        connection.execute(insert(parents).values(name="nobody"))
    penstock_emitted.queue.clock.advance(43_200)
    later = penstock_drained(drain)
    assert (later.outcomes, later.dead_letters) == ({orphan.intent_id: "applied"}, [])


def test_a_pack_is_its_intents(
    penstock_engine: Engine, penstock_emitted: Emitted, penstock_drained: QueueDrain
) -> None:
    """The fakes show each intent of a pack that is on the queue, with its own outcome."""
    metadata.create_all(penstock_engine)
    packed = [ThingMade(name="a"), ThingMade(name="b"), ThingMade(name="a")]
    penstock_emitted.queue.send([Outgoing(pack(packed))])
    assert penstock_emitted.of(ThingMade) == packed
    done = penstock_drained(drain)
    assert list(done.outcomes.values()) == ["applied", "applied", "dead"]
    assert [letter.id for letter in done.dead_letters] == [str(packed[2].intent_id)]


def test_what_is_no_envelope_is_dead(
    penstock_engine: Engine, penstock_queue: MemoryQueue, penstock_drained: QueueDrain
) -> None:
    """A body that is no envelope has no outcome, since it has no id, but a letter."""
    metadata.create_all(penstock_engine)
    penstock_queue.send([Outgoing("nonsense")])
    done = penstock_drained(drain)
    assert done.outcomes == {}
    assert [letter.reason for letter in done.dead_letters] == ["not-json"]
    assert len(penstock_drained.dead_letters.messages) == 1
