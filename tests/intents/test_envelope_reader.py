"""Many envelopes read at once: what is read is what `Contract.decode` reads, and all else is left to it."""

import os
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Annotated, Any
from uuid import UUID

import pytest
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PrivateAttr,
    computed_field,
    field_validator,
    model_serializer,
    model_validator,
)

from penstock import UtcDatetime, WriteIntent
from penstock.intents import Contract, Sensitive, encode_envelope, new_id
from penstock.intents.envelope_reader import Head
from penstock.intents.row_schema import row_schema, text_fields
from tests.support.evolution import event
from tests.support.field_types import Odd
from tests.support.mutated_bodies import mutated, random_kinds, valid_body

BODIES = 250
ROUNDS = 40
CAMPAIGN_BODIES = int(os.environ.get("READER_BODIES", "1000000"))


class Viewed(WriteIntent, kind="page.viewed"):
    path: Annotated[str, Field(min_length=1)]
    visitor: UUID
    viewed_at: UtcDatetime | None = None
    price: Decimal = Decimal(0)
    notes: dict[str, Any] | None = None
    named: str = Field("", alias="theName")


CONTRACT = Contract([Viewed])
READER = CONTRACT.reader({"page.viewed"})
VISITOR = "0a000000-0000-0000-0000-00000000000b"


def body(**data: Any) -> str:
    return event("page.viewed", {"path": "/", "visitor": VISITOR} | data)


def test_what_penstock_writes_is_read() -> None:
    """Every envelope that Penstock writes for a plain kind is read, in its place, with all that it says."""
    viewed_at = datetime(2026, 11, 20, 10, 0, 0, 5, UTC)
    made = [
        Viewed(path="/a", visitor=UUID(VISITOR), viewed_at=viewed_at, price=Decimal("1.50")),
        Viewed(path="/b", visitor=UUID(VISITOR), notes={"a": [1, None]}, theName="b"),
    ]
    ids = [new_id(), new_id()]
    bodies = [
        encode_envelope(one, id=id_, source="/test", traceparent="00-a")
        for one, id_ in zip(made, ids, strict=True)
    ]
    heads = READER.read(bodies)
    for head, one, id_ in zip(heads, made, ids, strict=True):
        assert head
        assert (head["type"], head["id"], head["traceparent"]) == ("page.viewed", str(id_), "00-a")
        assert datetime.fromisoformat(head["time"]) == one.intent_time
    for head, text in zip(heads, bodies, strict=True):
        hold_to_decode(CONTRACT, head, text)


@pytest.mark.parametrize(
    "hostile",
    ["", "]", '"}]', "null", "[]", "{}", '{"specversion": "1.0"', "}, {", "\x00", "\ud800", "[" * 10_000],
)
def test_a_bad_text_hurts_no_other(hostile: str) -> None:
    """A text that is no envelope is left over, and the texts beside it are read."""
    first, between, last = READER.read([body(path="/first"), hostile, body(path="/last")])
    assert first
    assert last
    assert (first["data"]["path"], between, last["data"]["path"]) == ("/first", None, "/last")


@pytest.mark.parametrize(
    "left",
    [
        body().replace("2026-11-20T10:00:00Z", "2026-11-20T11:00:00+01:00"),
        body().replace("2026-11-20T10:00:00Z", "2026-02-29T10:00:00Z"),
        body(visitor=VISITOR.replace("-", "")),
        body(visitor=VISITOR.upper()),
        body(viewed_at="2026-11-20T10:00:00.1234567Z"),
        body(path="\0"),
        body(notes={"a": {"penstock-encrypted": "x"}}),
        body(price=7.25).replace("7.25", "12345678901234567.89"),
        body(notes={"a": 7.25}).replace("7.25", "1e999"),
        body(notes={"a": 7.25}).replace("7.25", "NaN"),
        body(extra=1),
        event("page.viewed", {"path": "/", "visitor": VISITOR}, expirytime="2099-11-20T10:00:00Z"),
        event("page.viewed", {"path": "/", "visitor": VISITOR}, dataversion=2),
        event("page.seen", {"path": "/", "visitor": VISITOR}),
    ],
)
def test_what_needs_a_decision_is_left(left: str) -> None:
    """Another form of an id or a time, an expiry, a number of many digits, and all that is invalid are left."""
    is_read = [head is not None for head in READER.read([left, body()])]
    assert is_read == [False, True]


def test_kinds_that_are_not_asked_for_are_left() -> None:
    """A reader of some kinds leaves the envelopes of the others."""
    assert CONTRACT.reader(()).read([body(), body()]) == [None, None]
    assert CONTRACT.reader(()).kinds == frozenset()


class Configured(WriteIntent, kind="code.configured"):
    model_config = ConfigDict(extra="allow")


class Lenient(WriteIntent, kind="code.lenient"):
    model_config = ConfigDict(populate_by_name=True)


class Validated(WriteIntent, kind="code.validated"):
    name: str

    @field_validator("name")
    @classmethod
    def check(cls, value: str) -> str:
        return value


class Whole(WriteIntent, kind="code.whole"):
    name: str

    @model_validator(mode="before")
    @classmethod
    def check(cls, value: Any) -> Any:
        return value


class Serialized(WriteIntent, kind="code.serialized"):
    name: str

    @model_serializer
    def write(self) -> dict[str, str]:
        return {"name": self.name}


class Computed(WriteIntent, kind="code.computed"):
    name: str

    @computed_field
    def length(self) -> int:
        return len(self.name)


class Private(WriteIntent, kind="code.private"):
    _seen: int = PrivateAttr(0)


class AfterInit(WriteIntent, kind="code.after_init"):
    def model_post_init(self, _context: Any) -> None:
        pass


class OwnInit(WriteIntent, kind="code.own_init"):
    def __init__(self, **data: Any) -> None:
        super().__init__(**data)


class Checked(BaseModel):
    name: str

    @field_validator("name")
    @classmethod
    def check(cls, value: str) -> str:
        return value


class Weighed(BaseModel):
    weight: float


class Open(BaseModel, extra="allow"):
    name: str


class Fields(WriteIntent, kind="code.fields"):
    after: Annotated[str, AfterValidator(str)] = ""
    before: Annotated[str, BeforeValidator(str)] = ""
    serialized: Annotated[str, PlainSerializer(str)] = ""
    made: list[int] = Field(default_factory=list)
    excluded: str = Field("", exclude=True)
    secret: Sensitive[str] | None = None
    odd: Odd | None = None
    infinite: Annotated[float, Field(allow_inf_nan=True)] = 0
    id: UUID = UUID(VISITOR)
    numbers: set[int] | None = None
    checked: list[Checked] | None = None
    weighed: Weighed | None = None
    open: Open | None = None


WITH_CODE = [Configured, Lenient, Validated, Whole, Serialized, Computed, Private, AfterInit, OwnInit, Fields]


@pytest.mark.parametrize("kind", WITH_CODE, ids=lambda kind: kind.__name__)
def test_a_kind_with_code_of_its_own_is_left(kind: type[WriteIntent]) -> None:
    """A class whose validation or serialization runs code, or is configured otherwise, is left to the contract."""
    assert row_schema(kind) is None
    assert Contract([kind]).reader({kind.intent_kind}).kinds == frozenset()


@pytest.mark.parametrize("name", Fields.model_fields)
def test_each_such_field_is_enough(name: str) -> None:
    """One field with code of its own, or of a form that is not certain, leaves the whole kind to the contract."""
    field = Fields.model_fields[name]
    alone: Any = type(
        f"Only{name}", (WriteIntent,), {"__annotations__": {name: field.rebuild_annotation()}, name: field}
    )
    assert row_schema(alone) is None


def hold_to_decode(contract: Contract, head: Head | None, text: str) -> None:
    """Compare one envelope that was read with what the contract reads in its text."""
    assert head
    decoded = contract.decode(text)
    kind = type(decoded.data)
    assert (head["type"], head["id"]) == (decoded.type, str(decoded.id))
    assert decoded.expirytime is None
    assert is_same(head["time"], decoded.time, datetime)
    assert head.get("traceparent") == decoded.traceparent
    row, texts = head["data"], text_fields(kind)
    assert [*row] == [*kind.model_fields]
    for name, value in row.items():
        assert is_same(value, getattr(decoded.data, name), texts.get(name)), name


def is_same(read: Any, value: Any, type_: type[Any] | None) -> bool:
    """Return whether a value that was read is the decoded one. A text stands for it in one form only."""
    if read is None or type_ is None:
        return repr(read) == repr(value)
    if type_ is UUID:
        return bool(str(value) == read)
    time = re.fullmatch(r"([^.]{19})(?:\.([0-9]{1,6}))?(?:Z|\+00:00)", read)
    assert time
    micros = f"{time[1]}.{time[2] or '':0<6}"
    return bool(
        value.utcoffset() == timedelta()
        and value.replace(tzinfo=None).isoformat(timespec="microseconds") == micros
    )


def hold(random: Random) -> Counter[str]:
    """Read bodies of random kinds, compare them with what the contract reads, and count them."""
    kinds = random_kinds(random)
    contract = Contract(kinds)
    reader = contract.reader({kind.intent_kind for kind in kinds})
    valid = [valid_body(random, kinds) for _ in range(BODIES)]
    bodies = [mutated(random, one) for one in valid]
    heads = reader.read(bodies)
    assert len(heads) == BODIES
    found = [(head, text, was) for head, text, was in zip(heads, bodies, valid, strict=True) if head]
    for head, text, _ in found:
        try:
            hold_to_decode(contract, head, text)
        except Exception as error:
            raise AssertionError(f"read otherwise: {text!r}") from error
    changed = sum(text != was for _, text, was in found)
    return Counter({"bodies": BODIES, "read": len(found), "read, though mutated": changed})


def test_mutated_bodies_are_read_alike_or_left() -> None:
    """Of thousands of bodies with faults, none is read that the contract refuses or reads otherwise."""
    counts = sum((hold(Random(seed)) for seed in range(ROUNDS)), Counter[str]())  # noqa: S311 (no secret)
    assert counts["read, though mutated"] > counts["bodies"] / 20


@pytest.mark.campaign
@pytest.mark.timeout(CAMPAIGN_BODIES / 500 + 60)
def test_a_million_mutated_bodies_are_read_alike_or_left() -> None:
    """The same for a million bodies, others each time."""
    first = Random().getrandbits(32)  # noqa: S311 (no secret)
    counts = Counter[str]()
    for number in range(CAMPAIGN_BODIES // BODIES):
        counts += hold(Random(first + number))  # noqa: S311 (no secret)
    print(f"\nseeds from {first}: {dict(counts)}")  # noqa: T201 (the report of the campaign)
