"""JMESPath with limits."""

import pytest

from penstock.expressions.jmespath import EvaluationError, Expression

DOUBLED = "[@,@]" + " | [@,@]" * 30


@pytest.mark.parametrize("end", ["@[0] == @[1]", "@[0] != @[1]", "contains(@, `1`)"])
def test_a_value_that_holds_itself_many_times_is_not_compared(end: str) -> None:
    """A few doublings make a list of 2^31 elements; a comparison that would visit each ends at a limit."""
    with pytest.raises(EvaluationError, match="compares too much"):
        Expression(f"{DOUBLED} | {end}").evaluate({})


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("a == b", True),
        ("a != b", False),
        ("a == c", False),
        ("contains(a, `2`)", True),
        ("contains(a, '2')", False),
        ("contains(d, 'b')", True),
        ("a[0] < a[1]", True),
        ("d == 'abc'", True),
        ("e == `true`", False),
    ],
)
def test_comparisons_are_those_of_jmespath(expression: str, expected: bool) -> None:
    """Equality and `contains` answer as the specification says."""
    value = {"a": [1, 2], "b": [1, 2], "c": [2, 1], "d": "abc", "e": 1}
    assert Expression(expression).evaluate(value) is expected
