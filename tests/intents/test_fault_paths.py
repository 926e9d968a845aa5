"""The paths of faults: names of fields, and never a key that the sender chose."""

import json
from typing import Annotated, Any, Literal, NamedTuple
from uuid import uuid4

import pytest
from pydantic import BaseModel, ConfigDict, Field, JsonValue
from typing_extensions import TypedDict

from penstock import WriteIntent
from penstock.intents import Contract, EnvelopeError

SECRET = "hunter2"


class Leaf(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")
    size: int


class Cat(Leaf):
    type: Literal["cat"]


class Dog(Leaf):
    type: Literal["dog"]
    by: dict[str, int] = Field(default_factory=dict)


class Open(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow")
    size: int = 0


class Typed(TypedDict):
    counts: dict[str, int]


class Pair(NamedTuple):
    name: str
    counts: dict[str, int]


class Node(BaseModel):
    model_config = ConfigDict(strict=True)
    value: int = 0
    children: dict[str, "Node"] = Field(default_factory=dict)


class Kept(WriteIntent, kind="kept"):
    counts: dict[str, int] = Field(default_factory=dict)
    keyed: dict[int, str] = Field(default_factory=dict)
    leaves: dict[str, Leaf] = Field(default_factory=dict)
    listed: list[dict[str, list[int]]] = Field(default_factory=list)
    either: int | dict[str, int] = 0
    pet: Annotated[Cat | Dog, Field(discriminator="type")] | None = None
    typed: Typed | None = None
    pair: Pair | None = None
    node: Node | None = None
    opened: Open | None = None
    anything: Any = None
    value: JsonValue = None
    named: dict[str, int] = Field(default_factory=dict, alias="theName")


class Other(WriteIntent, kind="other"):
    size: int


def fields_of(data: str, *kinds: type[WriteIntent]) -> tuple[str, ...]:
    head = {
        "specversion": "1.0",
        "id": str(uuid4()),
        "source": "/test",
        "type": "kept",
        "time": "2026-11-20T10:00:00Z",
    }
    with pytest.raises(EnvelopeError) as caught:
        Contract(kinds).decode(json.dumps(head)[:-1] + f', "data": {data}}}')
    assert caught.value.reason == "invalid-data"
    assert SECRET not in str(caught.value)
    return caught.value.fields


CASES = {
    f'{{"counts": {{"{SECRET}": "x"}}}}': "data.counts.* int_type",
    f'{{"keyed": {{"{SECRET}": "x"}}}}': "data.keyed.*.?key? int_parsing",
    f'{{"leaves": {{"{SECRET}": {{"size": "x"}}}}}}': "data.leaves.*.size int_type",
    f'{{"leaves": {{"{SECRET}": {{"size": 1, "colour": 1}}}}}}': "data.leaves.*.colour extra_forbidden",
    f'{{"listed": [{{}}, {{"{SECRET}": [1, "x"]}}]}}': "data.listed.1.*.1 int_type",
    f'{{"pet": {{"type": "dog", "size": 1, "by": {{"{SECRET}": "x"}}}}}}': "data.pet.dog.by.* int_type",
    f'{{"typed": {{"counts": {{"{SECRET}": "x"}}}}}}': "data.typed.counts.* int_type",
    f'{{"pair": ["a", {{"{SECRET}": "x"}}]}}': "data.pair.1.* int_type",
    f'{{"node": {{"children": {{"{SECRET}": {{"children": {{"{SECRET}": {{"value": "x"}}}}}}}}}}}}': (
        "data.node.children.*.children.*.value int_type"
    ),
    f'{{"opened": {{"size": 1, "{SECRET}": "\\u0000"}}}}': "data.opened.* nul_character",
    f'{{"anything": {{"{SECRET}": [{{"{SECRET}": "\\u0000"}}]}}}}': "data.anything.*.0.* nul_character",
    f'{{"anything": {{"{SECRET}\\u0000": 1}}}}': "data.anything.(key) nul_character",
    f'{{"value": {{"{SECRET}": "\\u0000"}}}}': "data.value.* nul_character",
    f'{{"theName": {{"{SECRET}": "x"}}}}': "data.theName.* int_type",
    '{"colour": 1}': "data.colour extra_forbidden",
}


@pytest.mark.parametrize(("data", "expected"), CASES.items())
@pytest.mark.parametrize("kinds", [(Kept,), (Kept, Other)], ids=["one kind", "two kinds"])
def test_a_key_of_a_dict_is_hidden(kinds: tuple[type[WriteIntent], ...], data: str, expected: str) -> None:
    """Wherever a dict is, its keys are `*` in the fault; the names of fields are shown."""
    assert fields_of(data, *kinds) == (expected,)


def test_a_key_in_a_union_is_hidden() -> None:
    """Each alternative of a union is named, but not the key of the dict among them."""
    fields = fields_of(f'{{"either": {{"{SECRET}": "x"}}}}', Kept)
    assert [field.split(".")[-1] for field in fields] == ["int int_type", "* int_type"]
