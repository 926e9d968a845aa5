"""Messages: their groups, and how they are split into batches."""

import re

import pytest

from penstock.queue import Attribute, Outgoing, group_of, message_batches
from tests.support.sqs import bodies


@pytest.mark.parametrize("key", ["tenant-1", "a" * 128, "!~"])
def test_a_valid_group_stays_as_it_is(key: str) -> None:
    """A key that SQS accepts is the message group."""
    assert group_of(key) == key


@pytest.mark.parametrize("key", ["a" * 129, "two words", "caf\u00e9", "\ud800", "a\n"])
def test_an_invalid_group_is_hashed(key: str) -> None:
    """Any other key becomes a group that SQS accepts, always the same one."""
    assert re.fullmatch("[0-9a-f]{64}", group_of(key))
    assert group_of(key) == group_of(key) != group_of(f"{key}x")


def packed(messages: list[Outgoing]) -> list[list[int]]:
    """Return the numbers of the messages in each batch."""
    return [[number for number, _ in batch] for batch in message_batches(enumerate(messages))]


def test_batches_hold_ten() -> None:
    """The eleventh message starts another batch."""
    assert [len(batch) for batch in packed(bodies(21))] == [10, 10, 1]


def test_batches_hold_one_mebibyte_of_utf8() -> None:
    """The limit counts bytes, not characters, and includes attributes; a batch may have exactly this size."""
    half = Outgoing("\u00e9" * 262_144)
    rest = Outgoing("x" * (524_288 - 7), {"a": Attribute("", "String")})
    assert (half.size, rest.size) == (524_288, 524_288)
    assert packed([half, rest, Outgoing("x")]) == [[0, 1], [2]]


def test_a_message_that_is_too_large_gets_its_own_batch() -> None:
    """SQS will refuse that batch; the other messages are not affected."""
    assert packed([Outgoing("a"), Outgoing("x" * 1_048_577), Outgoing("b")]) == [[0], [1], [2]]
