"""CloudEvents as other senders write them."""

import hashlib
import json
import re
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock import WriteIntent
from penstock.deadletters.message import DeadLetterMessage
from penstock.intents import Contract, EnvelopeError
from penstock.intents.ids import event_id
from penstock.testing import received
from tests.support.drain import LaterKind, ThingMade
from tests.support.foreign_events import FOREIGN, UUID_, Foreign, cloud_event
from tests.support.hostile_texts import IMPOSSIBLE

SENT_AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
CONTRACT = Contract([ThingMade, LaterKind])


def name_of(case: Any) -> str:
    return case.name if isinstance(case, Foreign) else str(case)


@pytest.mark.parametrize("case", FOREIGN, ids=name_of)
def test_an_event_of_another_sender_is_decoded_or_described(case: Foreign) -> None:
    """Each event has its documented outcome: the intent, or a reason."""
    if case.fault is None:
        assert CONTRACT.decode(case.body, SENT_AT).data == ThingMade(name=case.name)
        return
    with pytest.raises(EnvelopeError) as caught:
        CONTRACT.decode(case.body, SENT_AT)
    assert ": ".join(filter(None, [caught.value.reason, ", ".join(caught.value.fields)])) == case.fault


def test_a_missing_time_is_that_of_the_queue() -> None:
    """An event without a time, or with a null, takes the time of the queue; without that it is refused."""
    for text in (cloud_event("a", time=None), cloud_event("a", time=None, id=f"{UUID_}01")):
        assert CONTRACT.decode(text, SENT_AT).time == SENT_AT
        with pytest.raises(EnvelopeError) as caught:
            CONTRACT.decode(text)
        assert caught.value.fields == ("time missing",)


@pytest.mark.parametrize(
    ("source", "id_", "expected"),
    [
        ("/elsewhere", "42", "f39ae5a3-e8c2-5265-8119-ab0f4646b889"),
        ("/elsewhere", "größe 😀", "a78e3f07-922f-5bb7-9e1f-e685f59a906f"),
    ],
)
def test_an_id_that_is_no_uuid_is_derived(source: str, id_: str, expected: str) -> None:
    """The id is a UUID of version 5 of source and id, by the rule for other languages."""
    namespace = UUID("6e1a4a57-6e0f-5d0e-9c5f-0f4c2ad1b7c3").bytes
    digest = hashlib.sha1(namespace + json.dumps([source, id_]).encode(), usedforsecurity=False).digest()
    assert UUID(bytes=digest[:16], version=5) == event_id(source, id_) == UUID(expected)
    assert CONTRACT.decode(cloud_event("a", id=id_, source=source)).id == UUID(expected)


def test_the_examples_of_the_documentation_are_right() -> None:
    """The ids in the table for senders are those of the code."""
    page = Path("docs/outside-python.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([^|]+?)` \| `([^|]+?)` \| `([0-9a-f-]{36})` \|$", page, re.MULTILINE)
    assert len(rows) == 3
    assert [str(event_id(source, id_)) for source, id_, _ in rows] == [expected for *_, expected in rows]


def test_spellings_of_a_uuid_are_one_id() -> None:
    """Upper case, no hyphens, braces and a URN are spellings of a UUID; any other text is an id of its own."""
    text = f"{UUID_}ab"
    same = [text, text.upper(), text.replace("-", ""), f"{{{text}}}", f"urn:uuid:{text}"]
    assert {CONTRACT.decode(cloud_event("a", id=id_)).id for id_ in same} == {UUID(text)}
    others = [f" {text}", f"{text}\n", f"URN:UUID:{text}", f"{{{text.replace('-', '')}}}"]
    assert len({CONTRACT.decode(cloud_event("a", id=id_)).id for id_ in [text, *others]}) == 5


@given(
    st.text(min_size=1) | st.uuids().map(lambda id_: id_.urn) | st.text("0123456789abcdefABCDEF-{}", min_size=30)
)
def test_the_id_of_an_event_is_the_same_everywhere(id_: str) -> None:
    """Whatever its id, an event decodes to the id that the dead letters and the status show."""
    body = cloud_event("a", id=id_)
    decoded = CONTRACT.decode(body).id
    assert decoded == event_id("/elsewhere", id_)
    assert DeadLetterMessage.of(received(body)).intent_id == decoded


def test_the_source_belongs_to_the_identity() -> None:
    """One id of two sources is two events."""
    ids = {CONTRACT.decode(cloud_event("a", id="1", source=source)).id for source in ("/a", "/b")}
    assert len(ids) == 2


def test_the_data_of_a_foreign_event_is_unchanged() -> None:
    """Numbers and text of the data are as the sender wrote them, and are validated as any other."""
    text = cloud_event("a", comexample=1, data={"name": "\ufffe \\u0000 é", "size": 10**9})
    assert CONTRACT.decode(text).data == ThingMade(name="\ufffe \\u0000 é", size=10**9)
    with pytest.raises(EnvelopeError) as caught:
        CONTRACT.decode(cloud_event("a", comexample=1, data={"name": 7}))
    assert (caught.value.reason, caught.value.fields) == ("invalid-data", ("data.name string_type",))


class Priced(WriteIntent, kind="thing.priced"):
    amount: Decimal
    notes: Any = None


@pytest.mark.parametrize(
    "literal", ["12345678901234567.89", "0.1", "1e-400", "123456789012345678901234567890", "1.50"]
)
def test_a_number_of_a_foreign_event_keeps_its_digits(literal: str) -> None:
    """A rewritten event has the numbers of its text."""
    text = cloud_event("a", type="thing.priced", comexample=1, data="DATA").replace(
        '"DATA"', f'{{"amount": {literal}}}'
    )
    decoded = Contract([Priced]).decode(text).data
    assert isinstance(decoded, Priced)
    assert decoded.amount == Decimal(literal)


@pytest.mark.parametrize("body", IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_a_body_that_no_queue_accepts_is_no_json(body: str) -> None:
    """An empty text and control characters are refused as any text that is not JSON."""
    with pytest.raises(EnvelopeError) as caught:
        CONTRACT.decode(body, SENT_AT)
    assert caught.value.reason == "not-json"
