"""Packs: many intents in one text."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from penstock import WriteIntent
from penstock.intents import Contract, EnvelopeError
from penstock.intents.packs import (
    MOST_INTENTS,
    SHARED_LIMIT,
    PackError,
    PackRow,
    PackWriter,
    may_be_pack,
    singles,
    split,
)
from tests.support.packs import batch, changed, pack, single
from tests.support.project import ROOT


class Noted(WriteIntent, kind="noted"):
    text: str
    amount: Decimal = Decimal(1)
    more: Any = None


class Plain(WriteIntent, kind="plain"):
    size: int = Field(ge=0)


CONTRACT = Contract([Noted, Plain])
PLAIN = [Plain(size=size) for size in range(3)]
TEXT = pack(PLAIN)


def test_a_pack_is_its_envelopes() -> None:
    """A pack and a batch, decoded at once or one by one, are what their intents are alone."""
    expected = [CONTRACT.decode(single(one)) for one in PLAIN]
    for text in (TEXT, batch(map(single, PLAIN))):
        assert may_be_pack(text)
        assert CONTRACT.decode_pack(text) == expected
        assert [CONTRACT.decode(one) for one in split(text) or ()] == expected
    assert json.loads(TEXT)["penstockpack"] == 1


def test_an_earlier_drain_dead_letters_a_pack() -> None:
    """To what decodes single envelopes alone, a pack is none: it is set aside as it is, and can be replayed."""
    with pytest.raises(EnvelopeError, match="not-an-envelope"):
        CONTRACT.decode(TEXT)


def test_a_pack_of_one_is_an_envelope() -> None:
    """A single intent is written as an envelope, which every drain reads."""
    text = pack(PLAIN[:1])
    assert not may_be_pack(text)
    assert CONTRACT.decode(text) == CONTRACT.decode(single(PLAIN[0]))


def test_an_expiry_belongs_to_its_intent() -> None:
    """An intent without an expiry in a pack with some has none."""
    text = pack(PLAIN, [None, "2026-11-20T10:00:00+00:00", None])
    expected = [None, datetime(2026, 11, 20, 10, tzinfo=UTC), None]
    decoded = CONTRACT.decode_pack(text)
    assert decoded is not None
    assert [one.expirytime for one in decoded] == expected
    assert [CONTRACT.decode(one).expirytime for one in split(text) or ()] == expected


@given(
    st.lists(st.builds(Noted, text=st.text(st.characters(codec="utf-8", exclude_characters="\x00"))), min_size=2)
)
def test_any_text_survives(intents: list[Noted]) -> None:
    """Whatever characters a text has, it comes out of a pack as it is, and its size is not underestimated."""
    text = pack(intents)
    expected = [CONTRACT.decode(single(one)) for one in intents]
    assert [CONTRACT.decode(one) for one in split(text) or ()] == expected
    assert CONTRACT.decode_pack(text) in (expected, None)


def test_a_number_keeps_its_digits() -> None:
    """A number that a double does not hold is not decoded at once, and comes out of a pack digit for digit."""
    exact = "12345678901234567.89"
    text = pack([Noted(text="a"), Noted(text="b")]).replace('"amount":"1"', f'"amount":{exact}')
    assert CONTRACT.decode_pack(text) is None
    decoded = [CONTRACT.decode(one).data for one in split(text) or ()]
    assert [getattr(one, "amount", None) for one in decoded] == [Decimal(exact)] * 2


@pytest.mark.parametrize("value", ['"\\u0000"', "1e999", '"\\ud800"'])
def test_what_cannot_be_stored_is_not_decoded_at_once(value: str) -> None:
    """A value that Postgres refuses is refused for its own intent alone."""
    text = pack([Noted(text="a"), Noted(text="b")]).replace('"more":null', f'"more":{value}', 1)
    assert CONTRACT.decode_pack(text) is None
    first, second = singles(text)
    with pytest.raises(Exception, match=r"invalid-data|not-json|nul_character"):
        CONTRACT.decode(first)
    assert CONTRACT.decode(second).data == Noted(text="b")


class Loose(WriteIntent, kind="loose"):
    size: float = Field(allow_inf_nan=True)


def test_a_number_that_overflows_is_refused_alone() -> None:
    """A number that is no JSON number any more, once it is read, is refused for its own intent alone."""
    contract = Contract([Loose])
    text = pack([Loose(size=1.5), Loose(size=2.5)]).replace('"size":1.5', '"size":1e999', 1)
    assert contract.decode_pack(text) is None
    first, second = singles(text)
    with pytest.raises(EnvelopeError, match="invalid-data"):
        contract.decode(first)
    assert contract.decode(second).data == Loose(size=2.5)


MALFORMED = {
    "another version": (changed(TEXT, penstockpack=2), "penstockpack unknown_version"),
    "a version that is true": (changed(TEXT, penstockpack=True), "penstockpack unknown_version"),
    "one id": (changed(TEXT, id="a"), "id no_column"),
    "no data": (changed(TEXT, data=None), "data no_column"),
    "a short column": (changed(TEXT, time=["2026-11-20T10:00:00Z"]), "columns unequal_lengths"),
    "a long column": (changed(TEXT, subject=["s"] * 4), "columns unequal_lengths"),
    "no intents": (changed(TEXT, id=[], time=[], data=[]), "no_intents"),
    "too many": (changed(TEXT, id=[""] * 100_000, time=[""] * 100_000, data=[{}] * 100_000), "too_many_intents"),
    "too many events": (batch(["{}"] * MOST_INTENTS + [single(PLAIN[0])]), "too_many_intents"),
    "a long source": (changed(TEXT, subject="s" * SHARED_LIMIT), "shared_attributes too_long"),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_a_malformed_pack_is_refused_as_a_whole(case: str) -> None:
    """What has not the form of a pack names what is wrong, and is not decoded at once either."""
    text, field = MALFORMED[case]
    assert CONTRACT.decode_pack(text) is None
    with pytest.raises(PackError) as caught:
        split(text)
    assert caught.value.fields == (field,)
    assert singles(text) == [text]


OTHER = ["", "[", "[]", "[1]", "[[[]]]", "{}", "[NaN]", "[" * 100_000]
OTHER.append(changed(single(Plain(size=1)), penstockpack=None).replace("{", '{"penstockpack": null, ', 1))
OTHER.append(single(Noted(text='"penstockpack"', more={"penstockpack": 1})))


@pytest.mark.parametrize("text", OTHER)
def test_what_is_no_pack_is_left_alone(text: str) -> None:
    """Other JSON, other text, and an envelope that only mentions packs are no packs."""
    assert split(text) is None
    assert CONTRACT.decode_pack(text) is None


def test_one_bad_member_keeps_its_text() -> None:
    """What is in the place of an event of a batch comes out of it as it is."""
    good = single(PLAIN[0])
    first, *others = singles(batch([good, "7", "[1]", '"x"', "null"]))
    assert (CONTRACT.decode(first), others) == (CONTRACT.decode(good), ["7", "[1]", '"x"', "null"])


def test_sizes_are_bounds() -> None:
    """The size of a pack that is being written is never less than that of its text in UTF-8."""
    writer = PackWriter({"source": "/ä", "type": "noted"})
    for number, data in enumerate(['{"text":"ä"}', '{"text":"\\u0000"}', '{"text":"😀"}']):
        row = PackRow.of(f"id {number}", "time", "expiry" if number == 1 else None, data)
        expected = writer.size_with(row)
        writer.add(row)
        assert len(writer) < 2 or len(writer.text().encode()) <= writer.size == expected


def test_the_schema_in_the_docs_describes_packs() -> None:
    """The JSON Schema of docs/packs.md accepts what `emit_many` writes, and refuses malformed packs."""
    page = (ROOT / "docs" / "packs.md").read_text()
    schema = json.loads(page.partition("As JSON Schema")[2].partition("```json\n")[2].partition("```")[0])
    validator = jsonschema_rs.Draft202012Validator(schema)
    assert validator.is_valid(json.loads(TEXT))
    assert validator.is_valid(json.loads(pack(PLAIN, [None, "2026-11-20T10:00:00Z", None])))
    # JSON Schema cannot compare the lengths of columns.
    unequal = {"a short column", "a long column", "too many events", "a long source"}
    assert not any(
        validator.is_valid(json.loads(text)) for case, (text, _) in MALFORMED.items() if case not in unequal
    )
