"""Text of senders as a page shows it."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.cli.console.shown import diff, pretty, visible

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
)


@settings(max_examples=25)
@given(JSON)
def test_pretty_json_is_the_same_value(value: object) -> None:
    """A body with a line for each value parses to the same."""
    assert json.loads(pretty(json.dumps(value))) == value


@pytest.mark.parametrize(
    "text", ["1e400", "-0.0", "100000000000000000000.10", '{\n  "a": 1,\n  "a": 2\n}', "1" * 5000, "NaN"]
)
def test_pretty_json_hides_nothing(text: str) -> None:
    """Numbers keep their text, and a name that is repeated is shown twice."""
    assert pretty(text) == text


@pytest.mark.parametrize("text", ["hello", "", "[" * 100_000, '{"a"', '"' + "x" * 200_000 + '"'])
def test_other_text_is_shown_as_it_is(text: str) -> None:
    """What is not JSON, is nested too deep or is huge stays as it is."""
    assert pretty(text) == text


def test_each_character_is_visible() -> None:
    """What cannot be seen becomes a code; letters of any script, and line breaks, stay."""
    assert visible("a\u202eb\x1b\x00\ud800\U000e0041") == "a\\u202eb\\u001b\\u0000\\ud800\\U000e0041"
    assert visible("größe 数量 שלום\nb") == "größe 数量 שלום\nb"
    assert visible(7) == 7


def test_a_diff_shows_changed_lines_with_their_neighbours() -> None:
    """Lines far from a change are left out, and a gap stands for them."""
    before = [str(number) for number in range(40)]
    after = [*before[:10], "ten", *before[11:30], "thirty", *before[31:]]
    lines = diff("\n".join(before), "\n".join(after))
    assert lines
    assert [line for line in lines if line[0] in "-+"] == [("-", "10"), ("+", "ten"), ("-", "30"), ("+", "thirty")]
    assert ("…", "") in lines
    assert len(lines) == 17
    assert diff("a", "a") == []
    assert diff("a\n" * 5000, "b") is None
