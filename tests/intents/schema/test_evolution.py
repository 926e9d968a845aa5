"""Changing an intent: old versions and names are read, and what a change does is told before it is deployed."""

import io
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from functools import partial
from itertools import product
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, Literal
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    Field,
    NaiveDatetime,
    create_model,
    model_validator,
)
from sqlalchemy import Column, Connection, Engine, MetaData, Table, Text, Uuid, select

from penstock import UtcDatetime, WriteIntent
from penstock.consumer import Append, Custom, Drain
from penstock.consumer.dead_letter import DeadLetter
from penstock.consumer.pipeline.ledger_outcomes import MAX_ATTEMPTS
from penstock.database import ledger
from penstock.deadletters import Plan, Selector, replay
from penstock.intents import Contract, EnvelopeError, encode_envelope, new_id
from penstock.intents.schema.compatibility import Compatibility, compare
from penstock.intents.schema.document import DOCUMENTS, document
from penstock.producer import Producer
from penstock.settings import Settings
from penstock.testing import LambdaContext, MemoryQueue, sqs_event
from tests.support.cli_stack import Run
from tests.support.project import ROOT

NOW = "2026-11-20T10:00:00Z"
Data = dict[str, Any]


class Colour(WriteIntent, kind="paint.chosen", version=3, aliases=("paint.picked", "paint.taken")):
    name: str
    red: int
    matt: bool = False


@Colour.upgrader(1)
def _(data: Data) -> Data:
    return {"name": data["called"], "red": data["red"]}


@Colour.upgrader(2)
def _(data: Data) -> Data:
    data["red"] *= 16
    return data


class Bare(WriteIntent, kind="bare", version=3):
    x: int = 0


class Anything(WriteIntent, kind="anything", aliases="any.thing"):
    x: Any
    total: Decimal | None = None
    ratio: float = 0.0


CONTRACT = Contract([Colour, Bare, Anything])


def event(kind: str, data: Any, **more: Any) -> str:
    """Write an envelope as any sender might."""
    head = {"specversion": "1.0", "id": str(uuid4()), "source": "/test", "type": kind, "time": NOW}
    return json.dumps(head | {"data": data} | more)


def fault_of(text: str, contract: Contract = CONTRACT) -> EnvelopeError:
    """Decode what cannot be."""
    with pytest.raises(EnvelopeError) as caught:
        contract.decode(text)
    return caught.value


# Reading what is older


def test_the_version_is_on_the_wire() -> None:
    """What is sealed says which version it is of, and is read back."""
    intent = Colour(name="a", red=1)
    sealed = encode_envelope(intent, id=new_id(), source="/test")
    assert (json.loads(sealed)["dataversion"], json.loads(sealed)["type"]) == (3, "paint.chosen")
    assert CONTRACT.decode(sealed).data == intent


@pytest.mark.parametrize("kind", ["paint.chosen", "paint.picked", "paint.taken"])
@pytest.mark.parametrize(
    ("data", "version"),
    [
        ({"called": "a", "red": 1}, {}),
        ({"called": "a", "red": 1}, {"dataversion": 1}),
        ({"name": "a", "red": 1}, {"dataversion": 2}),
        ({"name": "a", "red": 16}, {"dataversion": 3}),
    ],
)
def test_each_version_is_read_under_each_name(kind: str, data: Data, version: Data) -> None:
    """Whatever its version and its name were, an envelope becomes one of the present; unsaid is the first."""
    text = event(kind, data, **version, traceparent="00-1", subject="s")
    envelope = CONTRACT.decode(text)
    assert envelope.data == Colour(name="a", red=16)
    assert (envelope.type, envelope.dataversion) == ("paint.chosen", 3)
    assert (str(envelope.id), envelope.traceparent, envelope.subject) == (json.loads(text)["id"], "00-1", "s")
    assert type(envelope) is type(
        CONTRACT.decode(encode_envelope(Colour(name="a", red=16), id=new_id(), source="/t"))
    )


def climb(step: int, data: Data) -> Data:
    """Note a step."""
    return {"steps": [*data["steps"], step]}


@given(st.integers(1, 8), st.data())
def test_any_chain_is_climbed_from_where_a_message_stands(last: int, draw: st.DataObject) -> None:
    """Each upgrader from a message's version on is called once, in order; where there is none, that is said."""
    first, version = (draw.draw(st.integers(1, last)) for _ in range(2))

    class Climbed(WriteIntent, kind="climbed", version=last):
        steps: list[int]

    for step in reversed(range(first, last)):
        Climbed.upgrader(step)(partial(climb, step))
    text = event("climbed", {"steps": []}, dataversion=version)
    contract = Contract([Climbed])
    if version < first:
        fault = fault_of(text, contract)
        assert (fault.reason, fault.fields) == ("unknown-version", (f"dataversion no_upgrader_from_{version}",))
    else:
        assert contract.decode(text).data == Climbed(steps=list(range(version, last)))


numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
json_values = st.recursive(
    st.none() | st.booleans() | numbers | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(json_values, st.none() | st.decimals(allow_nan=False, allow_infinity=False).map(str) | numbers, json_values)
def test_under_an_old_name_the_same_is_read(x: Any, total: Any, ratio: Any) -> None:
    """The second pass takes and refuses what the first one does, with the same result."""
    results: list[tuple[Any, ...]] = []
    for kind in ("anything", "any.thing"):
        try:
            envelope = CONTRACT.decode(event(kind, {"x": x, "total": total, "ratio": ratio}))
            results.append((envelope.type, envelope.data))
        except EnvelopeError as error:
            results.append((error.reason, error.fields))
    assert results[0] == results[1]


@pytest.mark.parametrize("version", [True, 3.0, "3", None, [3]])
def test_a_version_is_a_whole_number(version: Any) -> None:
    """What only looks like a version is none."""
    fault = fault_of(event("paint.chosen", {"name": "a", "red": 1}, dataversion=version))
    assert (fault.reason, fault.fields) == ("not-an-envelope", ("dataversion int_type",))


@pytest.mark.parametrize(
    ("kind", "version"), [("paint.chosen", 4), ("paint.picked", 9), ("bare", 0), ("bare", -1)]
)
def test_a_version_that_is_not_there_is_unknown(kind: str, version: int) -> None:
    """A newer version may be deployed a little later; the head names the kind as it is now."""
    fault = fault_of(event(kind, {}, dataversion=version))
    assert (fault.reason, fault.fields) == ("unknown-version", ())
    assert fault.head
    assert (fault.head.type, fault.head.dataversion) == (kind.replace("picked", "chosen"), version)


def raising(_: Data) -> Data:
    raise ValueError("hunter2")


def endless(data: Data) -> Data:
    data["hunter2"] = data
    return data


@pytest.mark.parametrize(
    ("upgrade", "reason", "fields"),
    [
        (raising, "upgrade-failed", ("upgrader(1) ValueError",)),
        (lambda data: data["hunter2"], "upgrade-failed", ("upgrader(1) KeyError",)),
        (lambda _: None, "upgrade-failed", ("upgrader(1) returned_no_dict",)),
        (lambda _: {"x": object()}, "upgrade-failed", ("data PydanticSerializationError",)),
        (lambda _: {"x": "\ud800"}, "upgrade-failed", ("data PydanticSerializationError",)),
        (endless, "upgrade-failed", ("data PydanticSerializationError",)),
        (lambda _: {"x": "a\x00"}, "invalid-data", ("data.x nul_character",)),
        (lambda _: {"x": [1, float("nan")]}, "invalid-data", ("data.x.1 finite_number",)),
        (lambda _: {"x": float("inf")}, "invalid-data", ("data.x finite_number",)),
        (lambda _: {}, "invalid-data", ("data.x missing",)),
        (lambda _: {"x": 1, "<y>": 2}, "invalid-data", ("data.?y? extra_forbidden",)),
    ],
)
def test_a_failed_upgrade_is_a_fault_without_values(
    upgrade: Callable[[Data], Data], reason: str, fields: tuple[str, ...]
) -> None:
    """An upgrader that raises, or makes what cannot be stored, is named, and no value is in the text."""

    class Sick(WriteIntent, kind="sick", version=2):
        x: Any

    Sick.upgrader(1)(upgrade)
    fault = fault_of(event("sick", {"secret": "hunter2"}), Contract([Sick]))
    assert (fault.reason, fault.fields) == (reason, fields)
    assert "hunter2" not in f"{fault} {fault.__cause__}"


@pytest.mark.parametrize("data", [None, 1, "a", [], [{}]])
def test_old_data_that_is_no_object_meets_no_upgrader(data: Any) -> None:
    """An upgrader gets a dict, whatever came."""
    fault = fault_of(event("paint.chosen", data, dataversion=2))
    assert (fault.reason, fault.fields) == ("invalid-data", ("data dict_type",))


def test_old_data_meets_no_validator_before_it_is_upgraded() -> None:
    """A validator that fails in its own way on the data of before does not stop it from being read."""

    class Halved(WriteIntent, kind="halved", version=2):
        x: int

        @model_validator(mode="before")
        @classmethod
        def halve(cls, data: Any) -> Any:
            return {"x": data["whole"] // 2}

    Halved.upgrader(1)(lambda data: {"whole": data["double"] // 2})
    contract = Contract([Halved])
    assert contract.decode(event("halved", {"double": 8})).data == Halved.model_construct(x=2)
    with pytest.raises(KeyError):
        contract.decode(event("halved", {"double": 8}, dataversion=2))


# Declaring it


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"version": 2}, "goes with a kind"),
        ({"aliases": "a"}, "goes with a kind"),
        ({"kind": "a", "version": 0}, "must be a whole number, 1 or greater"),
        ({"kind": "a", "version": True}, "must be a whole number, 1 or greater"),
        ({"kind": "a", "version": "2"}, "must be a whole number, 1 or greater"),
        ({"kind": "a", "aliases": ("B",)}, "must be lower case words"),
        ({"kind": "a", "aliases": ("a",)}, "named twice"),
        ({"kind": "a", "aliases": ("b", "b")}, "named twice"),
    ],
)
def test_a_wrong_declaration_is_refused(arguments: Data, message: str) -> None:
    """A version and former names that cannot be are refused when the class is made."""
    with pytest.raises(TypeError, match=message):
        type("Wrong", (WriteIntent,), {}, **arguments)


@pytest.mark.parametrize("version", [0, 3, 4, True, "1"])
def test_an_upgrader_leads_to_a_version_that_there_is(version: Any) -> None:
    """A step that does not exist is refused where it is registered, and so is one that exists already."""
    with pytest.raises(TypeError, match="nothing upgrades from"):
        Bare.upgrader(version)
    with pytest.raises(TypeError, match="version 1 has its upgrader already"):
        Colour.upgrader(1)


def test_a_gap_in_the_chain_is_refused() -> None:
    """A contract is not made of a class with a step missing between two versions."""

    class Holed(WriteIntent, kind="holed", version=4):
        pass

    Holed.upgrader(1)(dict)
    Holed.upgrader(3)(dict)
    with pytest.raises(TypeError, match=r"nothing leads from version 2 to 3; declare @Holed.upgrader\(2\)"):
        Contract([Holed])


def test_a_class_of_its_own_kind_has_its_own_history() -> None:
    """A subclass that is given a kind begins at version 1; one that is not is the same kind still."""

    class New(Colour, kind="new"):
        pass

    class Same(Colour):
        pass

    assert (New.intent_version, New.intent_aliases) == (1, ())
    assert (Same.intent_kind, Same.intent_version) == ("paint.chosen", 3)
    assert Contract([Same]).decode(event("paint.picked", {"called": "a", "red": 1})).data == Same(name="a", red=16)
    with pytest.raises(EnvelopeError):
        Contract([New]).decode(event("new", {"called": "a", "red": 1}))


def test_two_kinds_may_not_share_a_former_name() -> None:
    """What a kind was called may be the name of no other."""

    class Twin(WriteIntent, kind="paint.taken"):
        pass

    class Heir(WriteIntent, kind="heir", aliases="any.thing"):
        pass

    for other in (Twin, Heir):
        with pytest.raises(TypeError, match="share the kind"):
            Contract([Colour, Anything, other])


def test_the_names_of_the_history_are_taken() -> None:
    """A field may not hide what says the version."""
    shadows = pytest.warns(UserWarning, match="shadows an attribute")
    with shadows, pytest.raises(TypeError, match="may not be named upgrader"):

        class Wrong(WriteIntent, kind="wrong"):
            upgrader: int  # type: ignore[assignment]


# Through the drain

metadata = MetaData()
parts = Table("parts", metadata, Column("intent_id", Uuid, primary_key=True), Column("name", Text, unique=True))


class PartV1(WriteIntent, kind="part.seen"):
    called: str


class PartV2(WriteIntent, kind="part.noted", version=2, aliases="part.seen"):
    name: str


@PartV2.upgrader(1)
def _(data: Data) -> Data:
    return {"name": data["called"].upper()}


class Bench:
    """Drains of several deployments on one database, with queues in memory."""

    def __init__(self, engine: Engine) -> None:
        metadata.create_all(engine)
        self.engine = engine
        self.queue, self.dead_letters = MemoryQueue(), MemoryQueue()

    def drain(self, intent: type[WriteIntent], messages: Sequence[Any], mode: Any = None) -> int:
        """Drain messages with a deployment that has this class; return how many were handed back."""
        drain = Drain(engine=self.engine, queue=self.queue, dead_letters=self.dead_letters)
        columns = {"name": "called"} if "called" in intent.model_fields else {}
        drain.write(intent, mode or Append(parts, columns))
        return len(drain.handler(sqs_event(messages), LambdaContext())["batchItemFailures"])

    @property
    def entries(self) -> dict[UUID, tuple[str, str]]:
        with self.engine.connect() as connection:
            return {r.id: (r.kind, r.outcome) for r in connection.execute(select(ledger))}

    @property
    def names(self) -> list[str]:
        with self.engine.connect() as connection:
            return sorted(connection.scalars(select(parts.c.name)))

    @property
    def letters(self) -> list[DeadLetter]:
        letters = [DeadLetter.read(message.attributes) for message in self.dead_letters.messages]
        return [letter for letter in letters if letter]


@pytest.fixture
def bench(engine: Engine) -> Bench:
    return Bench(engine)


def nothing(connection: Connection, intents: Sequence[Any]) -> None:
    """Write nothing."""


def test_old_messages_land_beside_new_ones(bench: Bench) -> None:
    """Old versions and names land as what they have become, under the kind's present name."""
    old = [encode_envelope(PartV1(called=name), id=new_id(), source="/t") for name in "ab"]
    assert bench.drain(PartV2, [*old, PartV2(name="c"), event("part.noted", {"called": "d"})]) == 0
    assert bench.names == ["A", "B", "D", "c"]
    assert set(bench.entries.values()) == {("part.noted", "applied")}


def test_a_dead_letter_of_before_drains_after_the_change(bench: Bench) -> None:
    """What was set aside by an old deployment is replayed into the new one, upgraded, and lands once."""
    bench.drain(PartV1, [PartV1(called="taken")])
    id_ = new_id()
    body = encode_envelope(PartV1(called="taken"), id=id_, source="/t")
    assert bench.drain(PartV1, [body]) == 0
    assert [letter.reason for letter in bench.letters] == ["UniqueViolation"]
    summary = replay(bench.dead_letters, bench.queue, Plan(selector=Selector.all()))
    assert summary.failed == 0
    (message,) = bench.queue.receive(10)
    assert bench.drain(PartV2, [message.body, message.body]) == 0
    assert bench.names == ["TAKEN", "taken"]
    assert bench.entries[id_] == ("part.noted", "applied")


def test_a_message_waits_for_its_upgrader_and_is_then_set_aside(bench: Bench) -> None:
    """Without an upgrader it comes back a few times; then it is a dead letter that says which one was missing."""

    class Forgotten(WriteIntent, kind="part.noted", version=2):
        name: str

    body = event("part.noted", {"called": "a"})
    neighbour = [Forgotten(name=f"neighbour {number}") for number in range(MAX_ATTEMPTS)]
    back = [bench.drain(Forgotten, [body, neighbour[number]]) for number in range(MAX_ATTEMPTS)]
    assert back == [1] * (MAX_ATTEMPTS - 1) + [0]
    (letter,) = bench.letters
    assert letter.detail == "unknown-version: dataversion no_upgrader_from_1"
    assert len(bench.names) == MAX_ATTEMPTS
    replay(bench.dead_letters, bench.queue, Plan(selector=Selector.all()))
    assert bench.drain(PartV2, [message.body for message in bench.queue.receive(10)]) == 0
    assert "A" in bench.names


def test_a_failing_upgrader_hurts_its_own_record_alone(bench: Bench) -> None:
    """It is set aside at once with the step and the error's class; its neighbours land."""
    bodies = [event("part.seen", {"called": "a"}), event("part.seen", {"caled": "hunter2"})]
    assert bench.drain(PartV2, bodies) == 0
    assert bench.names == ["A"]
    (letter,) = bench.letters
    assert (letter.kind, letter.detail) == ("part.noted", "upgrade-failed: upgrader(1) KeyError")
    assert "hunter2" not in str(bench.entries)


def test_a_repetition_across_a_rename_is_none_of_a_reused_id(bench: Bench) -> None:
    """What landed under the old name of its kind and comes again afterwards is acknowledged."""

    class Renamed(WriteIntent, kind="part.sighted", aliases="part.seen"):
        called: str

    body = encode_envelope(PartV1(called="a"), id=new_id(), source="/t")
    for intent in (PartV1, Renamed, Renamed):
        assert bench.drain(intent, [body]) == 0
    assert bench.names == ["a"]
    assert bench.letters == []


@pytest.mark.parametrize("mode", [None, Custom(nothing)])
def test_an_upgraded_repetition_is_none_of_a_reused_id(bench: Bench, mode: Any) -> None:
    """What landed by the old version, and now is upgraded to other values, is a repetition still."""

    class Cents(WriteIntent, kind="part.seen", version=2):
        called: str

    Cents.upgrader(1)(lambda data: {"called": data["called"] * 2})
    body = encode_envelope(PartV1(called="a"), id=new_id(), source="/t")
    for intent in (PartV1, Cents, Cents):
        assert bench.drain(intent, [body], mode) == 0
    assert bench.letters == []


def test_a_reused_id_is_found_within_a_version(bench: Bench) -> None:
    """Two different payloads of one version under one id are told apart still, upgraded or not."""
    id_ = new_id()
    bodies = [event("part.seen", {"called": name}, id=str(id_)) for name in "aab"]
    for body in bodies:
        assert bench.drain(PartV2, [body]) == 0
    assert [letter.reason for letter in bench.letters] == ["id-reused"]


def test_a_request_that_is_sent_again_across_a_rename_is_the_same_intent() -> None:
    """An idempotency key gives the same id before and after the kind is renamed."""

    class Renamed(WriteIntent, kind="part.sighted", aliases=("part.seen", "part.found")):
        called: str

    producer = Producer(Settings(receipt_key="key", source="/shop"), MemoryQueue())
    first, second = (producer.emit(cls(called="a"), idempotency_key="k").id for cls in (PartV1, Renamed))
    assert first == second


# What a change does


class Letter(Enum):
    A = "a"
    B = "b"


class OtherLetter(Enum):
    A = "a"


class Point(BaseModel):
    x: int
    y: int = 0


class WholePoint(BaseModel):
    x: int
    y: int


class StrictPoint(BaseModel, extra="forbid", strict=True):
    x: int
    y: int


class Timed(BaseModel):
    x: NaiveDatetime | str


class Node(BaseModel):
    value: int
    next: "Node | None" = None


class TextNode(BaseModel):
    value: int | str
    next: "TextNode | None" = None


class Odd(Enum):
    A = "a"

    @classmethod
    def _missing_(cls, _value: object) -> "Odd":
        """Take anything."""
        return cls.A


class LaxInner(BaseModel):
    x: int


class Twice(BaseModel):
    a: LaxInner | None = None
    b: LaxInner | None = None


class StrictInner(BaseModel, strict=True):
    x: int


class Thrice(BaseModel):
    a: StrictInner | None = None
    b: StrictInner | None = None


class Kitten(BaseModel):
    species: Literal["cat"] = "cat"
    lives: Annotated[int, Field(ge=8)] = 9


Kitten.__name__ = "Cat"


def short(text: str) -> str:
    """Take short texts only."""
    if len(text) > 1:
        raise ValueError
    return text


class Cat(BaseModel):
    species: Literal["cat"] = "cat"
    lives: int = 9


class Dog(BaseModel):
    species: Literal["dog"] = "dog"


TYPES: Sequence[Any] = [
    Any,
    bool,
    int,
    Annotated[int, Field(ge=0)],
    Annotated[int, Field(gt=0, lt=10)],
    Annotated[int, Field(ge=1, le=9, multiple_of=2)],
    Annotated[int, Field(strict=False)],
    float,
    Annotated[float, Field(ge=0, lt=7.5)],
    Decimal,
    Annotated[Decimal, Field(ge=0, max_digits=4, decimal_places=1)],
    str,
    Annotated[str, Field(min_length=1)],
    Annotated[str, Field(max_length=1)],
    Annotated[str, Field(pattern="^a")],
    Annotated[str, Field(pattern="^[ab]$", max_length=1)],
    Annotated[str, AfterValidator(short)],
    Annotated[str, BeforeValidator(str)],
    bytes,
    date,
    datetime,
    AwareDatetime,
    NaiveDatetime,
    UtcDatetime,
    timedelta,
    UUID,
    Letter,
    OtherLetter,
    Odd,
    Twice,
    Thrice,
    Annotated[Kitten | Dog, Field(discriminator="species")],
    Annotated[Literal["a", "b"], BeforeValidator(str)],
    Decimal | str | bool,
    Decimal | bool,
    Literal["a"],
    Literal["a", "b"],
    Literal["a", 1],
    Literal[1, 2],
    Literal[True],
    None,
    int | None,
    str | None,
    int | str,
    str | int | None,
    Decimal | str,
    AwareDatetime | str,
    list[int],
    list[int | None],
    Annotated[list[int], Field(min_length=1, max_length=2)],
    list[Any],
    set[int],
    tuple[int, str],
    tuple[int, ...],
    tuple[AwareDatetime, NaiveDatetime],
    tuple[NaiveDatetime, AwareDatetime],
    dict[str, int],
    dict[str, Any],
    dict[int, int],
    Point,
    WholePoint,
    StrictPoint,
    Timed,
    Node,
    TextNode,
    Cat,
    Cat | Dog,
    Annotated[Cat | Dog, Field(discriminator="species")],
    list[Point],
    dict[str, Point | None],
]
VALUES: Sequence[Any] = [
    *(None, True, False, 0, 1, 2, 4, 9, 10, -1, 12345, 10**20, 10**400, 0.5, 1.0, 7.5, -0.5, 1.25, 1e300),
    *("", "a", "b", "ab", "c", "1", "-1", "0.5", "1.25", "12345", "=", "YQ==", "true", "1e5", "NaN"),
    *("2026-11-20", "2026-11-20T10:00:00", NOW, "2026-11-20T10:00:00+05:00", 1732000000, "0000-01-01T00:00:00Z"),
    *("P1D", "PT0S", "P1Y", str(UUID(int=1)), str(uuid4()), UUID(int=1).hex, "9" * 30),
    *([], [1], [1, 1], [1, 2, 3], [None], ["a"], [1, "a"], [{}], [{"x": 1}], [NOW, NOW[:-1]], [NOW[:-1], NOW]),
    *({}, {"x": 1}, {"x": 1, "y": 2}, {"x": "1"}, {"x": NOW}, {"x": "a"}, {"1": 1}, {"a": None}, {"a": {"x": 1}}),
    *(
        {"a": {"x": "1"}},
        {"b": {"x": "1"}},
        {"x": 1, "z": 1},
        {"value": 1},
        {"value": "a"},
        {"value": 1, "next": {"value": "a"}},
        {"value": "1"},
    ),
    *({"species": "cat"}, {"species": "dog"}, {"species": "cat", "lives": 1}, {"lives": 1}, {"species": "cow"}),
]


def kind_with(fields: Mapping[str, Any], name: str = "made", **options: Any) -> type[WriteIntent]:
    """Make a class of intents: a type for each field, or a type and a default."""
    given = {name: type_ if isinstance(type_, tuple) else (type_, ...) for name, type_ in fields.items()}
    make: Any = create_model
    made: type[WriteIntent] = make("Made", __base__=WriteIntent, __cls_kwargs__={"kind": name, **options}, **given)
    return made


def reads(intent: type[WriteIntent]) -> Callable[[Any], bool]:
    """Give what tells whether data is read as an intent."""
    contract = Contract([intent])

    def read(data: Any) -> bool:
        try:
            contract.decode(event("made", data))
        except EnvelopeError:
            return False
        return True

    return read


def worst(before: type[WriteIntent], after: type[WriteIntent], messages: str = "old") -> Compatibility:
    """Return the worst verdict on some messages."""
    order = list(Compatibility)
    found = [
        change.verdict for change in compare(document([before]), document([after])) if change.messages == messages
    ]
    return max(found, key=order.index, default=Compatibility.COMPATIBLE)


def test_no_change_of_a_type_is_called_compatible_if_a_message_fails() -> None:
    """For each pair of many types: where the verdict is good, what the one reads is read by the other."""
    kinds = [kind_with({"x": type_}) for type_ in TYPES]
    documents = [document([kind]) for kind in kinds]
    readable = [frozenset(n for n, v in enumerate(VALUES) if read({"x": v})) for read in map(reads, kinds)]
    wrong = []
    for before, after in product(range(len(TYPES)), repeat=2):
        verdicts = {(change.messages, change.verdict) for change in compare(documents[before], documents[after])}
        lost, unheard_of = readable[before] - readable[after], readable[after] - readable[before]
        if lost and ("old", Compatibility.INCOMPATIBLE) not in verdicts:
            wrong.append((TYPES[before], TYPES[after], [VALUES[n] for n in lost]))
        if unheard_of and ("new", Compatibility.CONSUMER_FIRST) not in verdicts:
            wrong.append((TYPES[before], TYPES[after], [VALUES[n] for n in unheard_of]))
    assert wrong == []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (int, int | None),
        (int, int | str),
        (Annotated[int, Field(ge=0)], int),
        (Annotated[int, Field(gt=0, lt=10)], Annotated[int, Field(ge=0, le=10)]),
        (Annotated[int, Field(ge=0, le=9)], float),
        (Annotated[str, Field(max_length=1)], Annotated[str, Field(max_length=2)]),
        (Literal["a"], Literal["a", "b"]),
        (Literal["a", "b"], Annotated[str, Field(min_length=1)]),
        (AwareDatetime, AwareDatetime | None),
        (UtcDatetime, UtcDatetime | None),
        (list[int], list[int | None]),
        (dict[str, int], dict[str, Any]),
        (Node, TextNode),
        (Point, Any),
    ],
)
def test_a_widened_type_is_compatible(before: Any, after: Any) -> None:
    """Messages of before are read where a type takes more than it took; new ones need the new consumer."""
    assert worst(kind_with({"x": before}), kind_with({"x": after})) == Compatibility.COMPATIBLE
    assert worst(kind_with({"x": before}), kind_with({"x": after}), "new") == Compatibility.CONSUMER_FIRST


@pytest.mark.parametrize(
    ("before", "after", "field", "problem"),
    [
        (int, Annotated[int, Field(ge=0)], "x", "minimum is 0, and was none"),
        (str, Annotated[str, Field(max_length=9)], "x", "maxLength is 9, and was none"),
        (Literal["a", "b"], Literal["a"], "x", '"b" is not taken any more'),
        (Letter, OtherLetter, "x", '"b" is not taken any more'),
        (int, str, "x", "integer is not taken any more, but string"),
        (int | None, int, "x", "null is not taken any more, but integer"),
        (datetime, AwareDatetime, "x", "it is checked in another way"),
        (str, Annotated[str, AfterValidator(short)], "x", "it is checked in another way"),
        (str, Annotated[str, Field(pattern="^a")], "x", "pattern is another one"),
        (list[Point], list[WholePoint], "x[].y", "it must be there"),
        (dict[str, int], dict[str, bool], "x{}", "integer is not taken any more, but boolean"),
        (tuple[int, ...], tuple[int, str], "x", "minItems is 2, and was none"),
    ],
)
def test_a_narrowed_type_is_incompatible(before: Any, after: Any, field: str, problem: str) -> None:
    """The field is named, what is in its way, and the way out."""
    changes = compare(document([kind_with({"x": before})]), document([kind_with({"x": after})]))
    incompatible = [change for change in changes if change.verdict == Compatibility.INCOMPATIBLE]
    assert (field, problem) in [(change.field, change.problem) for change in incompatible]
    hint = "raise the version to 2 and register @Made.upgrader(1)"
    assert {(change.messages, change.hint) for change in incompatible} == {("old", hint)}


types = st.recursive(
    st.sampled_from(TYPES),
    lambda inner: (
        st.builds(list.__class_getitem__, inner)
        | st.builds(lambda type_: dict.__class_getitem__((str, type_)), inner)
        | st.builds(lambda t: t | None if t is not None and t is not Any else t, inner)
        | st.builds(lambda *two: tuple.__class_getitem__(two), inner, inner)
        | st.builds(lambda t: create_model("Inner", v=(t, ...)), inner)
    ),
    max_leaves=3,
)
models = st.dictionaries(
    st.sampled_from("xyz"),
    types | types.map(lambda type_: (type_, None)),
    max_size=3,
)
wire_values = st.recursive(
    st.sampled_from(VALUES),
    lambda inner: (
        st.lists(inner, min_size=1, max_size=2)
        | st.dictionaries(st.sampled_from("v1"), inner, min_size=1, max_size=1)
    ),
    max_leaves=3,
)


@given(models, models, st.lists(st.dictionaries(st.sampled_from("xyz"), wire_values), min_size=5, max_size=20))
def test_no_change_of_fields_is_called_compatible_if_a_message_fails(
    before: Mapping[str, Any], after: Mapping[str, Any], messages: Sequence[Data]
) -> None:
    """Whatever fields come, go and change: what is said to be read is read, before and after."""
    old, new = kind_with(before), kind_with(after)
    mixed = kind_with({**before, **dict(list(after.items())[:1])})
    for one, other in ((old, new), (old, mixed), (mixed, old)):
        verdict, forward = worst(one, other), worst(one, other, "new")
        reads_one, reads_other = reads(one), reads(other)
        for data in messages:
            assert not reads_one(data) or reads_other(data) or verdict == Compatibility.INCOMPATIBLE
            assert not reads_other(data) or reads_one(data) or forward == Compatibility.CONSUMER_FIRST


PLAIN = kind_with({"x": int})


@pytest.mark.parametrize(
    ("before", "after", "old", "new"),
    [
        (PLAIN, PLAIN, "compatible", "compatible"),
        (PLAIN, kind_with({"x": int, "y": int}), "incompatible", "consumer-first"),
        (PLAIN, kind_with({"x": int, "y": (int, 0)}), "compatible", "consumer-first"),
        (kind_with({"x": int, "y": (int, 0)}), PLAIN, "incompatible", "compatible"),
        (PLAIN, kind_with({"x": int}, version=2), "incompatible", "consumer-first"),
        (kind_with({"x": int}, version=2), PLAIN, "incompatible", "compatible"),
        (PLAIN, kind_with({"x": int}, "other"), "incompatible", "consumer-first"),
        (PLAIN, kind_with({"x": int}, "other", aliases="made"), "compatible", "consumer-first"),
        (PLAIN, kind_with({"x": str}, "other", aliases="made"), "incompatible", "consumer-first"),
        (kind_with({"x": int}, "made", aliases="old"), PLAIN, "incompatible", "compatible"),
        (
            kind_with({"x": int}, "old"),
            kind_with({"x": int}, "made", aliases="old"),
            "compatible",
            "consumer-first",
        ),
    ],
)
def test_the_verdict_on_a_change(before: type[WriteIntent], after: type[WriteIntent], old: str, new: str) -> None:
    """Fields, versions and names: what becomes of old messages at the new consumer, and of new ones at the old."""
    assert (worst(before, after), worst(before, after, "new")) == (old, new)


def test_an_upgraded_version_has_a_verdict_of_its_own() -> None:
    """Where upgraders lead from every old version it says so; an upgrader that has gone is missed."""
    new = kind_with({"y": int}, version=2)
    new.upgrader(1)(lambda data: {"y": data["x"]})
    assert worst(PLAIN, new) == Compatibility.UPGRADED
    newer = kind_with({"y": int}, version=3)
    newer.upgrader(2)(dict)
    changes = compare(document([new]), document([newer]))
    assert [(c.verdict, c.problem) for c in changes if c.messages == "old"] == [
        (Compatibility.INCOMPATIBLE, "nothing upgrades from version 1 any more"),
        (Compatibility.UPGRADED, "version 2 is upgraded to 3"),
    ]


def test_a_document_is_read_back_as_it_is() -> None:
    """What is saved compares as unchanged with what it was made of, in another process too."""
    kinds = document([kind_with({"x": type_}, f"made.k{n}") for n, type_ in enumerate(TYPES)])
    assert compare(DOCUMENTS.validate_json(DOCUMENTS.dump_json(kinds)), kinds) == []
    assert b" at 0x" not in DOCUMENTS.dump_json(kinds)


# The commands


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], str]]:
    """Give what writes a module of a service, in whose folder the commands are run, and returns its name."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.chdir(tmp_path)
    (tmp_path / "serverless.yml").write_text("service: shop\n")
    prefix = f"service_{uuid4().hex}"

    def write(name: str, code: str) -> str:
        (tmp_path / f"{prefix}_{name}.py").write_text(f"from penstock import WriteIntent\nprint('hello')\n{code}")
        return f"{prefix}_{name}"

    yield write
    for module in [module for module in sys.modules if module.startswith(prefix)]:
        del sys.modules[module]


FIRST = "class Seen(WriteIntent, kind='part.seen'):\n    called: str\n"
SECOND = """
class Noted(WriteIntent, kind='part.noted', version=2, aliases='part.seen'):
    name: str

@Noted.upgrader(1)
def _(data):
    return {'name': data['called']}

class More(WriteIntent, kind='more'):
    x: int
"""


def test_the_kinds_are_listed(service: Callable[[str, str], str], run: Run) -> None:
    """A line per kind, or an object; what the service prints when it is imported is no data."""
    module = service("second", SECOND)
    ended = run("intents", "list", "--module", module)
    lines = [line.split("\t") for line in ended.out.splitlines()]
    assert lines == [
        ["kind", "version", "oldest", "aliases", "class_name", "module"],
        ["more", "1", "1", "-", "More", module],
        ["part.noted", "2", "1", "part.seen", "Noted", module],
    ]
    assert (ended.code, "hello" in ended.err) == (0, True)
    row = run("intents", "list", "--module", module, "--json").rows[1]
    assert (row["kind"], row["version"], row["oldest"], row["aliases"]) == ("part.noted", 2, 1, ["part.seen"])


def test_the_shop_is_found_by_itself(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without --module it is shared.intents, seen from the service's folder, however deep inside one stands."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.chdir(ROOT / "consumer")
    assert {row["kind"] for row in run("intents", "list", "--json").rows} >= {"stock.adjusted", "page.viewed"}


def test_a_schema_is_printed(service: Callable[[str, str], str], run: Run) -> None:
    """JSON Schema of the data, or of the whole envelope with its kind and version, under any name of the kind."""
    module = service("second", SECOND)
    data = json.loads(run("intents", "schema", "part.noted", "--module", module).out)
    assert data["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert (data["required"], data["additionalProperties"]) == (["name"], False)
    whole = json.loads(run("intents", "schema", "part.seen", "--envelope", "--module", module).out)
    assert (whole["properties"]["type"]["const"], whole["properties"]["dataversion"]["const"]) == ("part.noted", 2)
    assert set(whole["required"]) == {"specversion", "id", "source", "type", "time", "dataversion", "data"}


def test_a_change_is_told_with_its_exit_code(
    service: Callable[[str, str], str], run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Against a file, stdin or a module: 0 if all messages are read, 10 if not, and who is deployed first."""
    first, second = service("first", FIRST), service("second", SECOND)
    saved = run("intents", "schema", "--all", "--module", first).out
    (tmp_path / "intents.json").write_text(saved)
    monkeypatch.setattr(sys, "stdin", io.StringIO(saved))
    for before in ("intents.json", "-", first):
        ended = run("intents", "diff", before, "--module", second)
        lines = [line.split("\t")[:3] for line in ended.out.splitlines()]
        assert lines == [
            ["compatible", "part.seen", "old"],
            ["upgraded", "part.seen", "old"],
            ["consumer-first", "more", "new"],
            ["consumer-first", "part.noted", "new"],
        ]
        assert (ended.code, "Deploy the consumer before the producers." in ended.err) == (0, True)
    back = run("intents", "diff", second, "--module", first, "--json")
    assert back.code == 10
    assert {(row["verdict"], row["kind"]) for row in back.rows if row["messages"] == "old"} == {
        ("incompatible", "more"),
        ("incompatible", "part.noted"),
        ("incompatible", "part.seen"),
    }
    same = run("intents", "diff", "intents.json", "--module", first)
    assert (same.code, same.out, "nothing has changed" in same.err) == (0, "", True)


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("list", "--module", "nowhere.intents"), 2, "there is no module nowhere.intents"),
        (("list", "--module", "{sick}"), 1, "cannot be imported: ZeroDivisionError"),
        (("list", "--module", "{empty}"), 2, "has no write intents"),
        (("list", "--module", "{holed}"), 1, "nothing leads from version 2 to 3"),
        (("schema", "--module", "{good}"), 2, "give either a KIND"),
        (("schema", "part.seen", "--all", "--module", "{good}"), 2, "give either a KIND"),
        (("schema", "no.such", "--module", "{good}"), 2, "has no kind 'no.such'"),
        (("diff", "nowhere.json", "--module", "{good}"), 2, "there is no file nowhere.json"),
        (
            ("diff", "serverless.yml", "--module", "{good}"),
            2,
            "is not what `penstock intents schema --all` prints",
        ),
        (("diff", "nowhere", "--module", "{good}"), 2, "there is no module nowhere"),
    ],
)
def test_what_cannot_be_had_is_told(
    service: Callable[[str, str], str], run: Run, words: Sequence[str], code: int, told: str
) -> None:
    """A module or a file that is not there is wrong usage; a broken one ends with 1; nothing is on stdout."""
    modules = {
        "good": service("good", FIRST),
        "sick": service("sick", "1 / 0"),
        "empty": service("empty", ""),
        "holed": service("holed", "class H(WriteIntent, kind='h', version=3):\n    pass\nH.upgrader(1)(dict)\n"),
    }
    ended = run("intents", *(word.format(**modules) for word in words))
    assert (ended.code, ended.out) == (code, "")
    assert told in ended.err


# The guide

GUIDE = (ROOT / "docs" / "evolution.md").read_text()
SECTIONS = {part.splitlines()[0]: part for part in GUIDE.split("\n## ")[1:]}


def code_of(section: str) -> list[dict[str, Any]]:
    """Run the snippets of a section, each by itself, and return what they have made."""
    spaces = []
    for number, code in enumerate(re.findall(r"```python\n(.*?)```", SECTIONS[section], re.DOTALL)):
        module = ModuleType(f"guide_{number}")
        exec(compile(f"from __future__ import annotations\n{code}", section, "exec"), vars(module))  # noqa: S102
        spaces.append(vars(module))
    return spaces


def intents_of(space: dict[str, Any]) -> list[type[WriteIntent]]:
    """Return the intents with a kind among what a snippet has made."""
    values = space.values()
    return [v for v in values if isinstance(v, type) and issubclass(v, WriteIntent) and hasattr(v, "intent_kind")]


@pytest.mark.parametrize("section", [name for name, text in SECTIONS.items() if text.count("```python") == 2])
def test_the_guide_reads_what_it_changes(section: str) -> None:
    """In each section the second snippet reads the message of the first, and the diff says so."""
    before, after = code_of(section)
    old, new = intents_of(before), intents_of(after)
    message = encode_envelope(before["example"], id=new_id(), source="/shop")
    assert Contract(new).decode(message).data == after["example"]
    changes = compare(document(old), document(new))
    assert {change.verdict for change in changes if change.messages == "old"} <= {
        Compatibility.COMPATIBLE,
        Compatibility.UPGRADED,
    }


def test_the_guide_covers_each_change() -> None:
    """Adding, renaming, removing and retyping a field, renaming and splitting a kind; its commands exist."""
    assert sum(text.count("```python") == 2 for text in SECTIONS.values()) >= 6
    commands = set(re.findall(r"penstock intents ([a-z]+)", GUIDE))
    assert commands == {"list", "schema", "diff"}
