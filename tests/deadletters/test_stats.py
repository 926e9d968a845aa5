"""Counts of dead letters: every one counts once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.consumer.dead_letter import DeadLetter
from penstock.deadletters import stats
from penstock.deadletters.message import DeadLetterMessage
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
    """Messages that SQS moved, and those of another program, are groups of their own."""
    found = [
        DeadLetterMessage(Received("m", "h", "", {}, 1, 0, NOW), None, id_, None, None) for id_ in ("id", None)
    ]
    assert {group.values[By.FAULT] for group in count_by(found, [By.FAULT], NOW)} == {"sqs", "other"}


def test_what_a_sender_writes_is_cut_to_size() -> None:
    """Kinds of a megabyte each take no more memory than short ones, and are still counted."""
    found = DeadLetterMessage(Received("m", "h", "", {}, 1, 0, NOW), None, "id", "k" * 1_000_000, None)
    (group,) = count_by([found], [By.KIND], NOW)
    assert (group.count, len(group.values[By.KIND] or "")) == (1, 200)
