"""JSON is read and written without rounding a number, and within a size limit."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.expressions.exact_json import ExactJsonError, read, write

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(JSON)
def test_json_comes_back_as_it_was(value: Any) -> None:
    """A value that is read and written again is the same, and SQS accepts the text."""
    text = write(read(json.dumps(value)), 1_000_000)
    assert json.loads(text) == value
    assert not {"\ufffe", "\uffff"} & set(text)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), {"a": {1}}])
def test_what_is_no_json_is_not_written(value: Any) -> None:
    """A value that JSON cannot represent is an `ExactJsonError`."""
    with pytest.raises(ExactJsonError):
        write(value, 1000)


def test_the_limit_counts_bytes() -> None:
    """A text takes as many bytes as it has in UTF-8."""
    assert write("ää", 6) == '"ää"'
    with pytest.raises(ExactJsonError):
        write("ää", 5)
