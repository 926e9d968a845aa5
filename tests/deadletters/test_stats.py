"""Counting dead letters, and showing their shape: every one counts once, and no value is shown."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.consumer.dead_letter import DeadLetter
from penstock.deadletters import stats
from penstock.deadletters.message import DeadLetterMessage
from penstock.deadletters.redact import redacted
from penstock.deadletters.stats import By, count_by
from penstock.queue import Received

NOW = 1_800_000_000.0
LETTERS = st.none() | st.builds(
    DeadLetter,
    fault=st.just("DataFault"),
    reason=st.sampled_from(["CheckViolation", "NotNullViolation"]),
    detail=st.text(max_size=5),
    fingerprint=st.none() | st.sampled_from(["a", "b"]),
)
FOUND = st.builds(
    lambda letter, kind, id_, age: DeadLetterMessage(
        Received("m", "h", "", {}, 1, 0, NOW - age), letter, id_, kind, None
    ),
    LETTERS,
    st.none() | st.sampled_from(["a", "b", ""]),
    st.none() | st.just("id"),
    st.floats(-10, 1_500_000),
)
BY = st.lists(st.sampled_from(By), min_size=1, unique=True)


@given(found=st.lists(FOUND, max_size=40), by=BY, most=st.integers(0, 5))
def test_the_counts_add_up(found: list[DeadLetterMessage], by: list[By], most: int) -> None:
    """Whatever they are counted by, each is in one group, the largest first, beyond the limit of groups, too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stats, "MAX_GROUPS", most)
        groups = count_by(iter(found), by, NOW)
    assert sum(group.count for group in groups) == len(found)
    assert len(groups) <= most + 1
    assert [group.count for group in groups] == sorted((group.count for group in groups), reverse=True)
    times = [one.message.sent_at for one in found]
    assert min((group.oldest for group in groups), default=None) == min(times, default=None)
    assert max((group.newest for group in groups), default=None) == max(times, default=None)


@given(found=st.lists(FOUND, max_size=40))
def test_groups_have_their_values_in_common(found: list[DeadLetterMessage]) -> None:
    """A group of a kind has as many as there are of that kind, those without one included."""
    groups = count_by(found, [By.KIND], NOW)
    kinds = [one.kind for one in found]
    assert {group.values[By.KIND]: group.count for group in groups} == {kind: kinds.count(kind) for kind in kinds}


@pytest.mark.parametrize(
    ("age", "name"), [(0, "under 1 h"), (3600, "under 1 d"), (86_400, "under 7 d"), (604_800, "7 d and more")]
)
def test_ages_have_names(age: float, name: str) -> None:
    """Each begins where the one before ends."""
    (group,) = count_by(
        [DeadLetterMessage(Received("m", "h", "", {}, 1, 0, NOW - age), None, None, None, None)], [By.AGE], NOW
    )
    assert group.values == {By.AGE: name}


def test_where_there_is_no_letter_the_origin_counts() -> None:
    """What SQS moved, and what another program sent, are causes of their own."""
    found = [
        DeadLetterMessage(Received("m", "h", "", {}, 1, 0, NOW), None, id_, None, None) for id_ in ("id", None)
    ]
    assert {group.values[By.FAULT] for group in count_by(found, [By.FAULT], NOW)} == {"sqs", "other"}


# Shapes


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
    """Of data, of fields of no envelope, and of names that look like no field's, only the shape is shown."""
    shown = json.dumps(redacted(envelope(None, **{name: value})))
    assert SECRET not in shown
    assert "4111111" not in shown.replace("_", "")


def test_the_head_and_the_shape_are_shown() -> None:
    """Names and types tell what is wrong, and not whom it is about."""
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


def test_what_a_sender_writes_is_cut_to_size() -> None:
    """Kinds of a megabyte each take no more memory than short ones, and are still counted."""
    found = DeadLetterMessage(Received("m", "h", "", {}, 1, 0, NOW), None, "id", "k" * 1_000_000, None)
    (group,) = count_by([found], [By.KIND], NOW)
    assert (group.count, len(group.values[By.KIND] or "")) == (1, 200)
