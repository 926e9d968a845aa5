"""Redaction shows the shape of a payload, and no value."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.deadletters.redact import redacted


def envelope(data: Any, /, **more: Any) -> str:
    """Write an envelope."""
    head = {"specversion": "1.0", "id": "7", "type": "thing.done", "source": "/shop", "dataversion": 2}
    return json.dumps(head | {"data": data} | more)


SECRET = "someone@example.org"


VALUES = st.recursive(
    st.just(SECRET) | st.just(4_111_111),
    lambda inner: st.lists(inner, max_size=30) | st.dictionaries(st.sampled_from(["a", "b", SECRET]), inner),
    max_leaves=60,
)


@given(value=VALUES, name=st.sampled_from(["data", "subject", SECRET]))
def test_no_value_is_shown(value: Any, name: str) -> None:
    """Only the shape is shown of data, of unknown fields, and of names that do not look like field names."""
    shown = json.dumps(redacted(envelope(None, **{name: value})))
    assert SECRET not in shown
    assert "4111111" not in shown.replace("_", "")


def test_the_head_and_the_shape_are_shown() -> None:
    """Names and types show what is wrong, without personal data."""
    data = {"to": "someone", "n": 7, "on": True, "none": None, "items": [{"a": 1.5}, {}]}
    assert redacted(envelope(data)) == {
        "specversion": "1.0",
        "id": "7",
        "source": "/shop",
        "type": "thing.done",
        "dataversion": 2,
        "data": {
            "to": "text of 7",
            "n": "number",
            "on": "true or false",
            "none": None,
            "items": [{"a": "number"}, "…"],
        },
    }


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        ("hello", "no JSON, 5 characters"),
        ("[" * 100_000, "no JSON, 100000 characters"),
        ("9" * 5000, "no JSON, 5000 characters"),
        ('"secret"', "text of 6"),
        (
            '{"id": "secret", "type": "secret", "source": "secret"}',
            dict.fromkeys(("id", "type", "source"), "text of 6"),
        ),
    ],
)
def test_another_programs_message_has_no_head(body: str, shown: Any) -> None:
    """Only an envelope's head is shown: elsewhere those names may hold anything."""
    assert redacted(body) == shown


def test_a_shape_is_bounded() -> None:
    """However deep and wide, a shape is small."""
    deep: Any = {"x": 1}
    for _ in range(200):
        deep = {"x": deep}
    wide = {f"n{number}": 1 for number in range(100_000)}
    for body in (envelope(deep), envelope(wide), json.dumps(wide), envelope(None, **wide)):
        assert len(json.dumps(redacted(body))) < 2000


def test_an_encrypted_value_is_shown_as_such() -> None:
    """The word stands in place of the token."""
    data = {"email": {"penstock-encrypted": "1.a.b"}, "other": {"penstock-encrypted": 5}}
    shown = redacted(envelope(data))["data"]
    assert shown == {"email": "encrypted", "other": {"penstock-encrypted": "number"}}
