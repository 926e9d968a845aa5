"""Records that are read together: they are written and answered as if each had been decoded."""

import json
from collections.abc import Callable
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine

from penstock.consumer.batch import Item
from penstock.consumer.pipeline.decode import read
from penstock.intents import Contract, Envelope, WriteIntent, encode_envelope, new_id
from tests.support.drain import Bench, ThingMade


@pytest.fixture
def bench(engine: Engine) -> Bench:
    return Bench(engine)


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The bodies that are decoded one by one."""
    bodies: list[str] = []
    decode: Callable[[Contract, str], Envelope[WriteIntent]] = Contract.decode_current

    def counted(contract: Contract, body: str) -> Envelope[WriteIntent]:
        bodies.append(body)
        return decode(contract, body)

    monkeypatch.setattr(Contract, "decode_current", counted)
    return bodies


def body(name: str, id_: UUID | None = None) -> str:
    return encode_envelope(ThingMade(name=name), id=id_ or new_id(), source="/test")


def test_a_plain_batch_is_written_without_decoding_each(bench: Bench, decoded: list[str]) -> None:
    """No record of a batch as Penstock writes it is decoded by itself, not after the commit either."""
    assert bench([body(f"thing {number}") for number in range(600)]) == []
    assert len(bench.names) == 600
    assert {*bench.outcomes.values()} == {"applied"}
    assert decoded == []


def test_only_what_needs_it_is_decoded(bench: Bench, decoded: list[str]) -> None:
    """Beside a record in another form, and one that is no envelope, all others are read together."""
    foreign = json.dumps(json.loads(body("foreign")) | {"id": "another sender's", "comexample": 1})
    assert bench([body("first"), foreign, "{}", body("last")]) == []
    assert bench.names == ["first", "foreign", "last"]
    assert not [body for body in decoded if '"first"' in body or '"last"' in body]
    assert [letter.detail.partition(":")[0] for letter in bench.letters] == ["not-an-envelope"]


@pytest.mark.parametrize("other", [str.lower, str.upper], ids=["read", "decoded"])
def test_an_id_takes_effect_once_in_any_form(bench: Bench, other: Callable[[str], str]) -> None:
    """An id counts once in a batch, whether its record was read together with others or decoded by itself."""
    id_ = uuid4()
    same, differing = body("thing", id_), body("another", id_)
    assert (
        bench([same, same.replace(str(id_), other(str(id_))), differing.replace(str(id_), other(str(id_)))]) == []
    )
    assert (bench.names, bench.outcomes) == (["thing"], {id_: "applied"})
    assert [letter.detail for letter in bench.letters] == ["id-reused"]


def test_a_refused_row_among_read_ones_is_set_aside(bench: Bench, decoded: list[str]) -> None:
    """A row that a constraint refuses is dead-lettered with its kind and id, and its neighbours are sent again."""
    id_ = new_id()
    bad = encode_envelope(ThingMade(name="bad", size=2**31), id=id_, source="/test")
    bodies = [body(f"thing {number}") for number in range(300)]
    assert bench([*bodies[:150], bad, *bodies[150:]]) == []
    assert decoded == [bad]
    assert len(bench.names) == 300
    assert [(letter.kind, letter.id) for letter in bench.letters] == [("thing.made", str(id_))]
    assert bench.outcomes[id_] == "dead"


def test_what_is_let_go_is_known_and_can_be_had_again() -> None:
    """Of an item whose data was freed, kind, id and trace are known, and its envelope is decoded if needed."""
    id_ = new_id()
    text = encode_envelope(ThingMade(name="thing"), id=id_, source="/test", traceparent="00-a")
    item, contract = Item({"body": text}), Contract([ThingMade])
    read([item], contract.reader({"thing.made"}), contract)
    item.let_go()
    assert item.head is None
    assert (item.kind, item.intent_id, item.traceparent) == ("thing.made", str(id_), "00-a")
    assert item.is_unread
    assert item.require_envelope() == contract.decode(text)
    assert not item.is_unread


def test_an_envelope_that_is_refused_later_is_a_fault_of_its_record() -> None:
    """If the contract refused an envelope that was read, its record would have a fault, and no kind."""
    item = Item({"body": body("thing")})
    contract = Contract([ThingMade])
    assert read([item], contract.reader({"thing.made"}), contract) == []
    assert item.kind == "thing.made"
    item.record = {"body": "{}"}
    assert item.envelope is None
    assert item.fault is not None
    assert item.kind is None
