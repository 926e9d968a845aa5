"""What an edit changes, field by field."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonpatch import JsonPatch

from penstock.deadletters import Plan, Selector
from penstock.deadletters.replay.changes import changes
from penstock.deadletters.replay.preview import preview
from penstock.expressions.exact_json import ExactJsonError, write
from penstock.queue import Outgoing
from tests.support.dead_letters import QueuePair, letter

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "/", "~"]), inner),
    max_leaves=10,
)


@given(VALUES, VALUES)
def test_the_patch_of_the_changes_yields_the_edited_message(before: Any, after: Any) -> None:
    """Applied to the message before, the revealed operations yield exactly the message after."""
    found = changes(json.dumps(before), json.dumps(after))
    patch = [change.operation(reveal=True) for change in found]
    edited = JsonPatch(json.loads(write(patch, 10**6))).apply(before)
    assert json.dumps(edited, sort_keys=True) == json.dumps(after, sort_keys=True)
    assert bool(found) == (json.dumps(before, sort_keys=True) != json.dumps(after, sort_keys=True))


def test_a_change_hides_values_but_those_of_the_head() -> None:
    """Without `reveal` there are types and lengths; the head of an envelope has no values of an intent."""
    before = '{"type": "a", "data": {"email": "someone@example.org", "n": 1, "someone@example.org": 1}}'
    after = '{"type": "b", "data": {"email": "x", "n": 2.50}}'
    found = changes(before, after)
    shown = {change.name(reveal=False): change.texts(reveal=False) for change in found}
    assert shown == {
        "type": ('"a"', '"b"'),
        "data.email": ('"text of 19"', '"text of 1"'),
        "data.n": ('"number"', '"number"'),
        "data.name of 19": ('"number"', None),
    }
    operations = [change.operation(reveal=False) for change in found]
    assert {"op": "replace", "path": "/data/email", "shape": "text of 1"} in operations
    assert {"op": "replace", "path": "/type", "value": "b"} in operations
    assert "someone" not in f"{operations} {found}"


def test_numbers_are_shown_as_they_are_written() -> None:
    """A number that is equal and written otherwise is a change, and keeps its digits."""
    (change,) = changes('{"n": 1}', '{"n": 1.00000000000000000001}')
    assert change.texts(reveal=True) == ("1", "1.00000000000000000001")


def test_a_body_that_is_nested_too_deep_ends_no_preview() -> None:
    """Its change cannot be shown, and the preview goes on."""
    deep = '{"specversion": "1.0", "id": "x", "type": "a", "data": ' + "[" * 5000 + "1" + "]" * 5000 + "}"
    queues = QueuePair(Outgoing(deep), letter(2))
    plan = Plan(selector=Selector.all(), edit=lambda body: body.replace("[1]", "[2]").replace('ta": 1', 'ta": 2'))
    shown = {one.id: len(one.changes) for one in preview(queues.dead, plan, None)}
    assert sorted(shown.values()) == [0, 1]
    with pytest.raises(ExactJsonError, match="nested too deep"):
        changes(deep, deep.replace("[1]", "[2]"))
