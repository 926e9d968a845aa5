"""Compatibility of changes: fields, versions and names."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from itertools import product
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AfterValidator, AwareDatetime, Field, create_model

from penstock import UtcDatetime, WriteIntent
from penstock.intents import Contract, EnvelopeError
from penstock.intents.schema.compatibility import Compatibility, compare
from penstock.intents.schema.document import DOCUMENTS, document
from tests.support.evolution import Data, event, kind_with
from tests.support.field_types import (
    TYPES,
    VALUES,
    Letter,
    Node,
    OtherLetter,
    Point,
    TextNode,
    WholePoint,
    short,
)


def reads(intent: type[WriteIntent]) -> Callable[[Any], bool]:
    """Return a function that returns whether data is decoded as an intent."""
    contract = Contract([intent])

    def read(data: Any) -> bool:
        try:
            contract.decode(event("made", data))
        except EnvelopeError:
            return False
        return True

    return read


def worst(before: type[WriteIntent], after: type[WriteIntent], messages: str = "old") -> Compatibility:
    """Return the worst verdict for the old or the new messages."""
    order = list(Compatibility)
    found = [
        change.verdict for change in compare(document([before]), document([after])) if change.messages == messages
    ]
    return max(found, key=order.index, default=Compatibility.COMPATIBLE)


def test_no_compatible_change_of_a_type_refuses_a_message() -> None:
    """For each pair of many types: if the verdict is compatible, every value stays valid."""
    kinds = [kind_with({"x": type_}) for type_ in TYPES]
    documents = [document([kind]) for kind in kinds]
    readable = [frozenset(n for n, v in enumerate(VALUES) if read({"x": v})) for read in map(reads, kinds)]
    wrong = []
    for before, after in product(range(len(TYPES)), repeat=2):
        verdicts = {(change.messages, change.verdict) for change in compare(documents[before], documents[after])}
        lost, unknown = readable[before] - readable[after], readable[after] - readable[before]
        if lost and ("old", Compatibility.INCOMPATIBLE) not in verdicts:
            wrong.append((TYPES[before], TYPES[after], [VALUES[n] for n in lost]))
        if unknown and ("new", Compatibility.CONSUMER_FIRST) not in verdicts:
            wrong.append((TYPES[before], TYPES[after], [VALUES[n] for n in unknown]))
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
    """A wider type accepts old messages; new messages need the new consumer."""
    assert worst(kind_with({"x": before}), kind_with({"x": after})) == Compatibility.COMPATIBLE
    assert worst(kind_with({"x": before}), kind_with({"x": after}), "new") == Compatibility.CONSUMER_FIRST


@pytest.mark.parametrize(
    ("before", "after", "field", "problem"),
    [
        (int, Annotated[int, Field(ge=0)], "x", "minimum is 0, and was none"),
        (str, Annotated[str, Field(max_length=9)], "x", "maxLength is 9, and was none"),
        (Literal["a", "b"], Literal["a"], "x", '"b" is no longer accepted'),
        (Letter, OtherLetter, "x", '"b" is no longer accepted'),
        (int, str, "x", "integer is no longer accepted, but string is"),
        (int | None, int, "x", "null is no longer accepted, but integer is"),
        (datetime, AwareDatetime, "x", "it has different checks"),
        (str, Annotated[str, AfterValidator(short)], "x", "it has different checks"),
        (str, Annotated[str, Field(pattern="^a")], "x", "pattern has changed"),
        (list[Point], list[WholePoint], "x[].y", "it is required now"),
        (dict[str, int], dict[str, bool], "x{}", "integer is no longer accepted, but boolean is"),
        (tuple[int, ...], tuple[int, str], "x", "minItems is 2, and was none"),
    ],
)
def test_a_narrowed_type_is_incompatible(before: Any, after: Any, field: str, problem: str) -> None:
    """The change names the field, the problem and a hint."""
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
def test_no_compatible_change_of_fields_refuses_a_message(
    before: Mapping[str, Any], after: Mapping[str, Any], messages: Sequence[Data]
) -> None:
    """Whatever fields are added, removed and changed: a compatible change accepts every valid message."""
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
def test_the_verdict_for_a_change(before: type[WriteIntent], after: type[WriteIntent], old: str, new: str) -> None:
    """What happens to old messages at the new consumer, and to new messages at the old one."""
    assert (worst(before, after), worst(before, after, "new")) == (old, new)


def test_an_upgraded_version_has_its_own_verdict() -> None:
    """With upgraders from every old version the verdict is `upgraded`; a removed upgrader is incompatible."""
    new = kind_with({"y": int}, version=2)
    new.upgrader(1)(lambda data: {"y": data["x"]})
    assert worst(PLAIN, new) == Compatibility.UPGRADED
    newer = kind_with({"y": int}, version=3)
    newer.upgrader(2)(dict)
    changes = compare(document([new]), document([newer]))
    assert [(c.verdict, c.problem) for c in changes if c.messages == "old"] == [
        (Compatibility.INCOMPATIBLE, "there is no upgrader from version 1 any more"),
        (Compatibility.UPGRADED, "version 2 is upgraded to 3"),
    ]


def test_a_document_survives_a_round_trip() -> None:
    """A saved document equals the contract it was made from, in another process too."""
    kinds = document([kind_with({"x": type_}, f"made.k{n}") for n, type_ in enumerate(TYPES)])
    assert compare(DOCUMENTS.validate_json(DOCUMENTS.dump_json(kinds)), kinds) == []
    assert b" at 0x" not in DOCUMENTS.dump_json(kinds)
