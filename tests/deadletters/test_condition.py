"""Conditions on envelopes: JMESPath's truth, and no error over a message."""

import json

import pytest

from penstock.deadletters.condition import Condition
from penstock.expressions.jmespath import BadExpression

BODY = json.dumps(
    {
        "specversion": "1.0",
        "id": "01989d3e-1111-7000-8000-000000000001",
        "source": "/shop",
        "type": "ordered.things",
        "time": "2026-11-20T10:00:00Z",
        "data": {"sku": "A1", "quantity": 0, "more": {}},
    }
)


@pytest.mark.parametrize(
    ("where", "matches"),
    [
        ("type == 'ordered.things'", True),
        ("type == 'moved.things'", False),
        ("data.quantity < `1`", True),
        ("data.quantity", True),  # 0 is true
        ("data.more", False),
        ("data.none", False),
        ("data.sku && !(data.none)", True),
        ("contains(data.sku, 'A')", True),
        ("`false`", False),
        ("`[]`", False),
        ("''", False),
    ],
)
def test_a_condition_is_true_as_jmespath_has_it(where: str, matches: bool) -> None:
    """A condition on the whole envelope, with JMESPath's own truth."""
    condition = Condition.parse(where)
    assert condition.matches(BODY) is matches
    assert condition.failed == 0


def test_a_condition_that_fails_on_a_message_does_not_match_it() -> None:
    """A message on which the expression fails does not match, and is counted."""
    condition = Condition.parse("length(data.sku) > `1`")
    numbered = json.dumps(json.loads(BODY) | {"data": {"sku": 7}})
    assert [condition.matches(text) for text in (BODY, numbered, "no json", "[" * 100_000)] == [
        True,
        False,
        False,
        False,
    ]
    assert condition.failed == 3


@pytest.mark.parametrize(
    ("where", "says"), [("data.", "column 6"), ("a b", "column 3"), ("'", "column 1"), ("nope(@)", "nope")]
)
def test_a_condition_that_cannot_be_read_shows_where(where: str, says: str) -> None:
    """A mistake in a condition is an error with its position, before any message is received."""
    with pytest.raises(BadExpression, match=says):
        Condition.parse(where)


@pytest.mark.parametrize("where", ["&data.sku", "[&data]", "&data || `false`", "data.{a: &sku}"])
def test_a_reference_alone_is_no_condition(where: str) -> None:
    """`&` outside of a function's arguments would be true for every dead letter."""
    with pytest.raises(BadExpression, match="&"):
        Condition.parse(where)


def test_a_reference_is_a_functions_argument() -> None:
    """In a function's arguments a reference is allowed."""
    assert Condition.parse("max_by([data], &quantity).sku == 'A1'").matches(BODY)
