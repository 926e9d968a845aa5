"""JSON laid out over lines."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.cli.support.pretty import pretty

VALUES = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@settings(max_examples=20)
@given(VALUES, st.booleans())
def test_it_is_laid_out_as_json_does(value: object, plain: bool) -> None:
    """The lines are those of `json.dumps` with an indent."""
    text = json.dumps(value, ensure_ascii=plain)
    assert "\n".join(pretty(text)) == json.dumps(value, ensure_ascii=plain, indent=2)


@pytest.mark.parametrize("text", ['{"a":1.10,"a":1e400}', '{"a": 12345678901234567890.10}'])
def test_numbers_and_repeated_names_stay(text: str) -> None:
    """Nothing of the text is lost but spaces."""
    assert "".join("".join(pretty(text)).split()) == "".join(text.split())


@pytest.mark.parametrize("text", ["hello, {you}", "", "[" * 5000])
def test_other_text_is_one_line(text: str) -> None:
    """A text that is not JSON stays as it is."""
    assert list(pretty(text)) == [text]
