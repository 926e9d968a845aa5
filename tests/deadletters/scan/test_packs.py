"""Packs that SQS moved to the dead-letter queue: every tool sees their intents, and no intent is lost."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.audit.dlq_index import DlqIndex
from penstock.consumer.dead_letter import DeadLetter
from penstock.consumer.faults.tree import Cause, DataFault
from penstock.deadletters import Origin, Plan, Selector, replay, scan
from penstock.deadletters.archive.export import export
from penstock.deadletters.archive.file import Archive
from penstock.deadletters.archive.purge import purge
from penstock.intents.packs import singles
from penstock.queue import Attribute, Outgoing
from penstock.testing import MemoryQueue
from tests.support.dead_letters import (
    QueuePair,
    check_none_is_lost,
    envelope,
    id_of,
    ids_on,
    letter,
    plans,
)
from tests.support.packs import batch

SENT = {"type": Attribute("stock.adjusted")}


def moved(*numbers: int) -> Outgoing:
    """Write a pack as SQS moves it: with the attributes of its sender alone."""
    rows = [json.loads(envelope(number)) for number in numbers]
    head = {"penstockpack": 1, "specversion": "1.0", "type": "stock.adjusted"}
    columns = {"id": [row["id"] for row in rows], "data": [row["data"] for row in rows]}
    return Outgoing(json.dumps(head | columns), SENT, group="tenant")


def queues_with_packs() -> QueuePair:
    return QueuePair(letter(0), moved(1, 2, 3), Outgoing(batch([envelope(4), envelope(5)])))


def ids(numbers: range | list[int]) -> set[str]:
    return {id_of(number) for number in numbers}


def test_a_scan_shows_the_intents_of_a_pack() -> None:
    """Each intent of a pack is a letter with its own id, kind and body; nothing on the queue changes."""
    queues = queues_with_packs()
    before = queues.dead.messages
    found = list(scan(queues.dead))
    assert {one.id for one in found} == ids(range(6))
    assert {one.kind for one in found} == {"stock.adjusted"}
    assert {json.loads(one.message.body)["id"] for one in found} == ids(range(6))
    assert len({one.message.message_id for one in found}) == 6
    assert queues.dead.messages == before
    (one,) = scan(queues.dead, Selector.of(ids=[id_of(2)]))
    assert one.id == id_of(2)


def test_a_replay_sends_the_intents_of_a_pack() -> None:
    """A replay of all sends each intent alone, and leaves nothing."""
    queues = queues_with_packs()
    summary = queues.replay(Selector.all())
    assert ids_on(queues.main) == ids(range(6))
    assert len(queues.main.messages) == 6
    assert (queues.dead.messages, summary.failed) == ([], 0)


def test_a_replay_of_one_intent_keeps_the_others() -> None:
    """If one intent of a pack is selected, the others stay on the dead-letter queue, with attributes and group."""
    queues = queues_with_packs()
    assert queues.replay(Selector.of(ids=[id_of(2)])).missing == frozenset()
    assert ids_on(queues.main) == ids([2])
    assert {one.id for one in scan(queues.dead)} == ids([0, 1, 3, 4, 5])
    kept = [message for message in queues.dead.messages if id_of(1) in message.body]
    assert [(message.group, message.attributes["type"].value) for message in kept] == [
        ("tenant", "stock.adjusted")
    ]


def test_a_limit_counts_intents() -> None:
    """A limited replay sends as many intents as it may, however they came."""
    queues = QueuePair(moved(*range(10)))
    replay(queues.dead, queues.main, Plan(selector=Selector.all(), limit=4), clock=queues.clock)
    assert len(queues.main.messages) == 4
    assert len(queues.dead.messages) == 6
    assert ids_on(queues.main) | ids_on(queues.dead) == ids(range(10))


def test_a_purge_deletes_intents_of_a_pack() -> None:
    """A purge of one intent of a pack deletes that one alone."""
    queues = queues_with_packs()
    assert purge(queues.dead, Selector.of(ids=[id_of(4)]), None, clock=queues.clock).deleted == 1
    assert {one.id for one in scan(queues.dead)} == ids([0, 1, 2, 3, 5])


def test_an_export_has_a_line_for_each_intent(tmp_path: Path) -> None:
    """A backup of the queue has the intents of a pack one by one."""
    queues = queues_with_packs()
    with Archive(tmp_path / "letters.ndjson") as archive:
        export(queues.dead, archive, Selector.all())
    lines = (tmp_path / "letters.ndjson").read_text().splitlines()
    assert {json.loads(json.loads(line)["body"])["id"] for line in lines} == ids(range(6))


def test_what_an_earlier_drain_set_aside_is_replayed() -> None:
    """A pack that a drain without packs dead-lettered is shown and replayed intent by intent."""
    fault = DataFault(Cause("not-an-envelope", fields=("id uuid_type",)))
    about: Any = dict.fromkeys(("kind", "id", "first_seen", "function_version"))
    queues = QueuePair(DeadLetter.of(fault, receive_count=1, **about).stamp(moved(1, 2)))
    assert {(one.id, one.kind, one.origin) for one in scan(queues.dead)} == {
        (id_of(number), "stock.adjusted", Origin.DRAIN) for number in (1, 2)
    }
    queues.replay(Selector.of(faults=["not-an-envelope"]))
    assert ids_on(queues.main) == ids([1, 2])
    assert queues.dead.messages == []


def test_without_the_permission_to_send_a_pack_is_one_letter() -> None:
    """If the dead-letter queue accepts no message, a replay of all sends a pack as it is."""
    queues = queues_with_packs()
    queues.dead.refuse("AccessDenied", calls=None, retryable=False)
    assert queues.replay(Selector.all()).failed == 0
    assert queues.dead.messages == []
    assert moved(1, 2, 3).body in [message.body for message in queues.main.messages]


def test_an_intent_that_is_refused_keeps_its_pack() -> None:
    """If some intents of a pack cannot be put on the queue alone, the pack stays, and nothing is lost."""
    queues = QueuePair(moved(1, 2, 3))
    queues.dead.refuse(calls=1, positions=[1])
    queues.replay(Selector.of(ids=[id_of(2)]))
    assert {one.id for one in scan(queues.dead)} | ids_on(queues.main) == ids([1, 2, 3])


def ids_within(queue: MemoryQueue) -> set[str]:
    """Return the ids on a queue, also those in packs."""
    return {json.loads(text)["id"] for message in queue.messages for text in singles(message.body)}


@settings(max_examples=150)
@given(
    cuts=st.lists(st.integers(1, 9), min_size=1, max_size=5),
    plan=plans(),
    chosen=st.none() | st.sets(st.integers(0, 9)),
)
def test_no_intent_of_a_pack_is_ever_lost(cuts: list[int], plan: list[str], chosen: set[int] | None) -> None:
    """Refused, late, stolen or cut off at any call: each is on one of the queues, and a second run finishes."""
    starts = [sum(cuts[:number]) for number in range(len(cuts))]
    queues = QueuePair(*(moved(*range(start, start + size)) for start, size in zip(starts, cuts, strict=True)))
    everyone = ids(range(sum(cuts)))
    selector = Selector.all() if not chosen else Selector.of(ids=ids([*chosen]))
    check_none_is_lost(queues, plan, selector, everyone, ids_within)


def test_the_audit_counts_the_intents_of_a_pack() -> None:
    """The index of an audit has each intent of a pack as one that SQS moved."""
    queues = queues_with_packs()
    index = DlqIndex.build(queues.dead)
    assert {str(id_) for id_ in index.ids} == ids(range(6))
    assert (index.scanned, index.hidden, index.foreign, index.unreadable) == (6, 0, 0, 0)


@pytest.mark.parametrize("body", ["[1, 2]", "[]", '{"penstockpack": 1, "id": [], "data": []}', "no JSON"])
def test_what_is_no_pack_stays_one_message(body: str) -> None:
    """A message of another program, or a malformed pack, is shown and replayed as it is."""
    queues = QueuePair(Outgoing(body))
    assert [one.message.body for one in scan(queues.dead)] == [body]
    queues.replay(Selector.all())
    assert [message.body for message in queues.main.messages] == [body]
