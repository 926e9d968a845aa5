"""Packs in the drain: each intent as if it had been sent alone."""

import json
from collections.abc import Sequence
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Connection, Engine, select

from penstock import WriteIntent
from penstock.consumer import Append, Custom, Drain, EnvironmentFault
from penstock.consumer.pipeline import decode, unpack
from penstock.consumer.pipeline.ledger_outcomes import MAX_ATTEMPTS
from penstock.consumer.sent_time import SENT_ATTRIBUTE
from penstock.database import ledger
from penstock.database.holds import held
from penstock.intents import encode_reference
from penstock.intents.encoding import digest_of
from penstock.intents.packs import MOST_INTENTS
from penstock.queue import Outgoing, group_of, new_key, reference_to
from penstock.settings import Settings
from penstock.testing import LambdaContext, MemoryPayloads, MemoryQueue, received, sqs_event
from tests.support.drain import Bench, LaterKind, ThingMade, parents, things
from tests.support.foreign_events import cloud_event
from tests.support.holds import store_of
from tests.support.packs import batch, changed, pack, single

CHILD = ThingMade(name="child", parent="none yet")
BAD = '{"name": "bad", "size": "no number"}'


class ParentMade(WriteIntent, kind="parent.made"):
    name: str


@pytest.fixture
def bench(engine: Engine) -> Bench:
    return Bench(engine)


def made(*names: str) -> list[ThingMade]:
    return [ThingMade(name=name) for name in names]


def with_bad(intents: Sequence[ThingMade]) -> str:
    """Write a pack of intents, of which the last has invalid data."""
    text = json.loads(pack(intents))
    return json.dumps(text | {"data": [*text["data"][:-1], json.loads(BAD)]})


def test_a_pack_is_written_as_its_intents(bench: Bench) -> None:
    """A pack beside single messages: every intent lands under its own id, and again is a duplicate."""
    packed, alone = made("a", "b", "c"), ThingMade(name="d")
    assert bench([pack(packed), alone]) == []
    assert bench.names == ["a", "b", "c", "d"]
    assert bench.outcomes == {one.intent_id: "applied" for one in [*packed, alone]}
    assert bench([packed[1], pack(packed)]) == []
    assert (bench.names, bench.letters) == (["a", "b", "c", "d"], [])


def test_a_pack_is_decoded_at_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plain pack is neither split nor decoded one by one."""
    monkeypatch.setattr(unpack, "split", lambda _text: pytest.fail("split"))
    monkeypatch.setattr(decode, "decode", lambda items, _contract: items and pytest.fail("decoded one by one"))
    assert bench([pack(made("a", "b")), batch(map(single, made("c", "d")))]) == []
    assert bench.names == ["a", "b", "c", "d"]


def test_a_bad_intent_is_a_dead_letter_of_its_own(bench: Bench) -> None:
    """What is refused in a pack, by the class or by Postgres, is dead as a single envelope; the others land."""
    invalid, twice = made("a", "b", "bad"), made("c", "a", "d")
    assert bench([with_bad(invalid), pack(twice)]) == []
    assert bench.names == ["a", "b", "c", "d"]
    assert {letter.id for letter in bench.letters} == {str(invalid[2].intent_id), str(twice[1].intent_id)}
    assert [UUID(body["id"]) for body in bench.dead_letters.bodies] == [invalid[2].intent_id, twice[1].intent_id]
    assert [body["type"] for body in bench.dead_letters.bodies] == ["thing.made"] * 2
    assert bench.queue.messages == []


def test_a_dead_letter_lands_once_it_is_corrected(bench: Bench) -> None:
    """The dead letter of an intent that was in a pack is an envelope that the drain reads."""
    intents = made("a", "bad")
    assert bench([with_bad(intents)]) == []
    (letter,) = bench.dead_letters.bodies
    assert bench([json.dumps(letter | {"data": {"name": "b"}})]) == []
    assert bench.names == ["a", "b"]


def test_a_dead_letter_that_is_refused_comes_back_alone(bench: Bench) -> None:
    """If the dead-letter queue refuses, only the dead intent goes back; its neighbours are settled."""
    bench.dead_letters.refuse(calls=None)
    intents = made("a", "bad")
    assert bench([with_bad(intents)]) == []
    (message,) = bench.queue.messages
    assert UUID(json.loads(message.body)["id"]) == intents[1].intent_id
    bench.dead_letters.accept()
    assert bench([message.body]) == []
    assert [letter.id for letter in bench.letters] == [str(intents[1].intent_id)]


def test_what_must_wait_is_sent_again_alone(bench: Bench) -> None:
    """An intent that cannot be written yet goes to the queue again with a delay, and its pack is acknowledged."""
    bench.drain.write(ParentMade, Append(parents))
    assert bench([pack([*made("a"), CHILD])]) == []
    (message,) = bench.queue.messages
    assert json.loads(message.body)["id"] == str(CHILD.intent_id)
    assert message.delay_seconds > 0
    assert bench.outcomes[CHILD.intent_id] == "pending"
    assert bench.letters == []
    assert bench([ParentMade(name="none yet"), message.body]) == []
    assert bench.names == ["a", "child"]


def test_a_pack_goes_back_if_that_fails(bench: Bench) -> None:
    """If what must wait cannot be sent, the pack goes back as a whole, and what is written is a duplicate then."""
    bench.drain.write(ParentMade, Append(parents))
    bench.queue.refuse(calls=None)
    text = received(pack([*made("a", "b"), CHILD]))
    assert bench([text]) == [text.message_id]
    assert (bench.names, bench.letters) == (["a", "b"], [])
    bench.queue.accept()
    assert bench([ParentMade(name="none yet"), text]) == []
    assert bench.names == ["a", "b", "child"]


def test_a_pack_of_which_all_must_wait_goes_back(bench: Bench) -> None:
    """A pack of a kind that is not known yet goes back as one message, and is dead intent by intent in the end."""
    later = [LaterKind(x=x) for x in range(3)]
    bench.queue.send([Outgoing(pack(later))])
    receives = 0
    while bench.queue.messages:
        (message,) = bench.queue.messages
        assert message.body == pack(later)
        if leased := bench.queue.receive(10):
            receives += 1
            if not bench(leased):
                bench.queue.delete([one.receipt_handle for one in leased])
        bench.queue.clock.advance(60)
    assert receives >= MAX_ATTEMPTS
    assert {letter.id for letter in bench.letters} == {str(one.intent_id) for one in later}
    assert len(bench.letters) == len(later)


def test_a_failed_transaction_hands_the_pack_back(engine: Engine, bench: Bench) -> None:
    """If the database is unwell, a pack goes back as a single message does, and nothing is a dead letter."""

    def fail(_connection: Connection, _intents: Sequence[ParentMade]) -> None:
        raise EnvironmentFault("unwell")

    drain = Drain(engine=engine, queue=bench.queue, dead_letters=bench.dead_letters)
    drain.write(ThingMade, Append(things))
    drain.write(ParentMade, Custom(fail))
    event = sqs_event([pack(made("a", "b")), pack([ParentMade(name="p"), ParentMade(name="q")])])
    answer = drain.handler(event, LambdaContext())["batchItemFailures"]
    assert {one["itemIdentifier"] for one in answer} <= {record["messageId"] for record in event["Records"]}
    assert answer
    assert bench.dead_letters.messages == []


MALFORMED = {
    "unequal columns": (changed(pack(made("a", "b")), time=["2026-11-20T10:00:00Z"]), "columns unequal_lengths"),
    "100,000 intents": (
        changed(pack(made("a", "b")), id=["a"] * 100_000, time=None, data=[{}] * 100_000),
        "too_many_intents",
    ),
    "100,000 events": (batch(["{}"] * 100_000 + [cloud_event("a")]), "too_many_intents"),
    "a newer format": (changed(pack(made("a", "b")), penstockpack=2), "penstockpack unknown_version"),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_a_malformed_pack_is_one_dead_letter(bench: Bench, case: str) -> None:
    """What cannot be read as a pack is dead as a whole, with what is wrong; its neighbours land."""
    text, detail = MALFORMED[case]
    assert bench([text, *made("neighbour")]) == []
    assert bench.names == ["neighbour"]
    (letter,) = bench.letters
    assert (letter.reason, letter.detail) == ("malformed-pack", f"malformed-pack: {detail}")
    assert bench.dead_letters.messages[0].body == text


def test_the_largest_pack_is_written(bench: Bench) -> None:
    """A message of 10,000 tiny intents is written in one invocation."""
    ids = [str(uuid4()) for _ in range(MOST_INTENTS)]
    data = [{"name": f"{number}"} for number in range(MOST_INTENTS)]
    assert (
        bench([changed(pack(made("a", "b")), id=ids, time=["2026-11-20T10:00:00Z"] * MOST_INTENTS, data=data)])
        == []
    )
    assert len(bench.names) == MOST_INTENTS


def test_a_pack_without_room_goes_back(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the packs of a batch have too many intents, the others go back, and single messages are written."""
    monkeypatch.setattr(unpack, "BATCH_INTENTS", 3)
    packs = [received(pack(made(f"{name}1", f"{name}2"))) for name in "abcd"]
    assert bench([*packs, *made("e")]) == [packs[2].message_id, packs[3].message_id]
    assert bench.names == ["a1", "a2", "b1", "b2", "e"]
    assert bench(packs[2:]) == []
    assert bench.names == ["a1", "a2", "b1", "b2", "c1", "c2", "d1", "d2", "e"]
    assert bench.letters == []


def test_an_id_twice_in_a_pack(bench: Bench) -> None:
    """An id that is in a pack twice takes effect once; with another payload the second one is dead."""
    first, other = made("a", "b")
    ids = [str(first.intent_id)] * 3
    times = ["2026-11-20T10:00:00Z"] * 3
    data = [{"name": "a"}, {"name": "a"}, {"name": other.name}]
    assert bench([changed(pack([first, other]), id=ids, time=times, data=data)]) == []
    assert bench.names == ["a"]
    assert [letter.reason for letter in bench.letters] == ["id-reused"]
    assert bench.dead_letters.bodies[0]["data"] == {"name": "b"}


def test_a_nested_pack_is_no_envelope(bench: Bench) -> None:
    """A pack or a batch in a batch is a dead letter of its own, and the other events land."""
    inner = made("b", "c")
    assert bench([batch([cloud_event("a"), pack(inner), batch(map(single, inner))])]) == []
    assert bench.names == ["a"]
    assert [letter.reason for letter in bench.letters] == ["not-an-envelope"] * 2


def test_a_pack_in_a_bucket_is_no_envelope(engine: Engine, bench: Bench) -> None:
    """A reference to a payload that is a pack is dead: a pack is never so large."""
    payloads = MemoryPayloads()
    bench.drain = bench.drain.using(
        Settings(), engine=engine, queue=bench.queue, dead_letters=bench.dead_letters, payloads=payloads
    )
    text = pack(made("b", "c"))
    key = new_key()
    payloads.objects[key] = text.encode()
    reference = json.loads(encode_reference(single(ThingMade(name="a")), reference_to(payloads.bucket, key)))
    about = {"datasize": len(text.encode()), "datadigest": digest_of(text.encode())}
    assert bench([json.dumps(reference | about)]) == []
    assert bench.names == []
    assert [letter.reason for letter in bench.letters] == ["not-an-envelope"]


def test_a_batch_of_cloud_events(bench: Bench) -> None:
    """An array of events of other senders is written; what is refused, or no event, is dead as it is."""
    members = [cloud_event("a"), "7", cloud_event("b", time=None), cloud_event("c", data_base64="AA=="), '"text"']
    text = received(batch(members))
    assert bench([text]) == []
    assert bench.names == ["a", "b"]
    assert [letter.reason for letter in bench.letters] == ["not-an-envelope"] * 3
    assert [message.body for message in bench.dead_letters.messages][::2] == ["7", '"text"']


def test_the_time_of_an_event_without_one_is_kept(bench: Bench) -> None:
    """An event without a time that is dead keeps the time at which SQS got its batch."""
    assert bench([batch([cloud_event("a"), cloud_event("b", time=None, data={"name": 1})])]) == []
    (message,) = bench.dead_letters.messages
    assert message.attributes[SENT_ATTRIBUTE].value == "1800000000000"


def test_an_expired_intent_in_a_pack(bench: Bench) -> None:
    """An intent of a pack that is taken up after its time is not written; those beside it are."""
    intents = made("a", "b")
    assert bench([pack(intents, ["2026-01-01T00:00:00+00:00", None])]) == []
    assert bench.names == ["b"]
    assert bench.outcomes == {intents[0].intent_id: "expired", intents[1].intent_id: "applied"}


def test_held_intents_are_parked_one_by_one(bench: Bench) -> None:
    """A held kind parks each intent of a pack as an envelope of its own."""
    store_of(bench.engine).hold("thing.made", "because", "me")
    intents = made("a", "b")
    assert bench([pack(intents)]) == []
    assert bench.names == []
    with bench.engine.connect() as connection:
        bodies = list(connection.scalars(select(held.c.body).order_by(held.c.message_id)))
    assert [UUID(json.loads(body)["id"]) for body in bodies] == [one.intent_id for one in intents]


def test_the_group_of_a_pack_is_kept(bench: Bench) -> None:
    """What is sent apart from its pack has the tenant of the pack."""
    bench.drain.write(ParentMade, Append(parents))
    queue = MemoryQueue()
    queue.send([Outgoing(pack([*made("a"), CHILD, ThingMade(name="a")]), group=group_of("acme"))])
    assert bench(queue.receive(1)) == []
    assert [message.group for message in [*bench.queue.messages, *bench.dead_letters.messages]] == ["acme"] * 2


def test_on_a_fifo_queue_a_batch_stays_together(engine: Engine) -> None:
    """A batch in a FIFO queue goes back as a whole if one event must wait, so that no order changes."""
    bench = Bench(engine)
    bench.drain.write(ParentMade, Append(parents))
    record = sqs_event([batch(map(single, [*made("a"), CHILD, *made("z")]))])["Records"][0]
    record["attributes"] |= {"MessageGroupId": "g", "SequenceNumber": "1"}
    assert bench.failed({"Records": [record]}) == [record["messageId"]]
    assert bench.queue.messages == []
    assert bench.names == ["a"]


def test_the_ledger_has_the_times(bench: Bench) -> None:
    """Each intent of a pack has its own time in the ledger."""
    intents = made("a", "b")
    times = {one.intent_id: one.intent_time for one in intents}
    assert bench([pack(intents)]) == []
    with bench.engine.connect() as connection:
        assert {
            row.id: row.stated_at for row in connection.execute(select(ledger.c.id, ledger.c.stated_at))
        } == times
