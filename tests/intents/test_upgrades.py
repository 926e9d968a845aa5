"""Old versions and names of a kind are decoded as the current kind."""

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import model_validator

from penstock import WriteIntent
from penstock.intents import Contract, EnvelopeError, encode_envelope, new_id
from tests.support.evolution import Data, event, fault_of
from tests.support.paint import CONTRACT, Colour


def test_the_version_is_on_the_wire() -> None:
    """An envelope contains the version, and is decoded again."""
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
def test_each_version_is_decoded_under_each_name(kind: str, data: Data, version: Data) -> None:
    """An envelope of any version and name becomes a current one; without a version it has version 1."""
    text = event(kind, data, **version, traceparent="00-1", subject="s")
    envelope = CONTRACT.decode(text)
    assert envelope.data == Colour(name="a", red=16)
    assert (envelope.type, envelope.dataversion) == ("paint.chosen", 3)
    assert (str(envelope.id), envelope.traceparent, envelope.subject) == (json.loads(text)["id"], "00-1", "s")
    assert type(envelope) is type(
        CONTRACT.decode(encode_envelope(Colour(name="a", red=16), id=new_id(), source="/t"))
    )


def climb(step: int, data: Data) -> Data:
    """Record a step."""
    return {"steps": [*data["steps"], step]}


@given(st.integers(1, 8), st.data())
def test_upgraders_run_from_the_version_of_the_message(last: int, draw: st.DataObject) -> None:
    """Each upgrader from the message's version on runs once, in order; a missing one is reported."""
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
def test_an_old_name_gives_the_same_result(x: Any, total: Any, ratio: Any) -> None:
    """The second pass accepts and refuses the same data as the first one, with the same result."""
    results: list[tuple[Any, ...]] = []
    for kind in ("anything", "any.thing"):
        try:
            envelope = CONTRACT.decode(event(kind, {"x": x, "total": total, "ratio": ratio}))
            results.append((envelope.type, envelope.data))
        except EnvelopeError as error:
            results.append((error.reason, error.fields))
    assert results[0] == results[1]


@pytest.mark.parametrize("version", [True, 3.0, "3", [3]])
def test_a_version_is_a_whole_number(version: Any) -> None:
    """A value that only looks like a version is refused."""
    fault = fault_of(event("paint.chosen", {"name": "a", "red": 1}, dataversion=version), CONTRACT)
    assert (fault.reason, fault.fields) == ("not-an-envelope", ("dataversion int_type",))


@pytest.mark.parametrize(
    ("kind", "version"), [("paint.chosen", 4), ("paint.picked", 9), ("bare", 0), ("bare", -1)]
)
def test_a_missing_version_is_unknown(kind: str, version: int) -> None:
    """A newer version may be deployed later; the head has the current name of the kind."""
    fault = fault_of(event(kind, {}, dataversion=version), CONTRACT)
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
    """An upgrader that raises or returns unstorable data is named; no value is in the error."""

    class Sick(WriteIntent, kind="sick", version=2):
        x: Any

    Sick.upgrader(1)(upgrade)
    fault = fault_of(event("sick", {"secret": "hunter2"}), Contract([Sick]))
    assert (fault.reason, fault.fields) == (reason, fields)
    assert "hunter2" not in f"{fault} {fault.__cause__}"


@pytest.mark.parametrize("data", [None, 1, "a", [], [{}]])
def test_an_upgrader_gets_objects_only(data: Any) -> None:
    """Data that is not an object is refused before an upgrader runs."""
    fault = fault_of(event("paint.chosen", data, dataversion=2), CONTRACT)
    assert (fault.reason, fault.fields) == ("invalid-data", ("data dict_type",))


def test_old_data_is_upgraded_before_it_is_validated() -> None:
    """A validator that raises on old data does not prevent the upgrade."""

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
