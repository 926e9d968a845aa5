"""The causes of dead letters, and the letters of a cause."""

import json
from dataclasses import replace

import pytest

from penstock.cli.operate import causes as module
from penstock.cli.operate.causes import OTHER, UNNAMED, letters_of, selector_of, survey, words_of
from penstock.cli.operate.letters import find_letter
from penstock.consumer.dead_letter import LETTER_ATTRIBUTE
from penstock.deadletters import DeadLetterMessage, Origin
from penstock.queue import Attribute, Outgoing
from penstock.testing.queue import MemoryQueue
from tests.support.cli_stack import id_of
from tests.support.dlq import FOREIGN, fingerprint_of, moved_by_sqs
from tests.support.operate import NULL, RETENTION, dead_letter


def queue_of(*messages: Outgoing) -> MemoryQueue:
    queue = MemoryQueue()
    assert queue.send(messages) == {}
    return queue


def forged(message: Outgoing, **changed: object) -> Outgoing:
    stamp = json.loads(message.attributes[LETTER_ATTRIBUTE].value)
    attributes = dict(message.attributes) | {LETTER_ATTRIBUTE: Attribute(json.dumps(stamp | changed))}
    return replace(message, attributes=attributes)


def mixed() -> MemoryQueue:
    """Three checks, two nulls, one of SQS, one of another program, one with a forged fingerprint."""
    checks = [dead_letter(number) for number in range(3)]
    nulls = [dead_letter(number, NULL, "email.requested") for number in (3, 4)]
    return queue_of(*checks, *nulls, moved_by_sqs(5), FOREIGN, forged(dead_letter(6), fingerprint="x" * 500))


def test_one_scan_counts_each_cause() -> None:
    """Each cause has its count, names and first expiry; what cannot be parsed has causes of its own."""
    queue = mixed()
    found = survey(queue, RETENTION)
    checks = found.causes[0]
    assert {cause.key: cause.count for cause in found.causes} == {
        fingerprint_of(dead_letter(0)): 3,
        fingerprint_of(dead_letter(3, NULL, "email.requested")): 2,
        "sqs:order.placed": 1,
        OTHER: 1,
        UNNAMED: 1,
    }
    assert (checks.kind, checks.fault, checks.reason, checks.sqlstate) == (
        "stock.adjusted",
        "DataFault",
        "CheckViolation",
        "23514",
    )
    assert checks.expires_at == checks.oldest + RETENTION
    assert (found.seen, found.unseen, found.letters) == (8, 0, {})
    assert queue.depth().visible == 8


@pytest.mark.parametrize("key", ["sqs:order.placed", OTHER, fingerprint_of(dead_letter(0))])
def test_a_cause_selects_its_own_letters(key: str) -> None:
    """The selector of a cause selects exactly the dead letters that the scan counted."""
    queue = mixed()
    selector = selector_of(key)
    assert selector
    selected = [one for one in map(DeadLetterMessage.of, queue.receive(10)) if selector.matches(one)]
    assert {module.key_of(one) for one in selected} == {key}
    assert len(words_of(key)) in {2, 4}


def test_a_forged_cause_cannot_be_selected() -> None:
    """A cause without a name of its own is listed, and has neither a selector nor a command."""
    assert (selector_of(UNNAMED), words_of(UNNAMED)) == (None, [])
    assert [one.id for one in letters_of(mixed(), RETENTION, UNNAMED, 10)] == [id_of(6)]


def test_kept_letters_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A scan keeps no more letters and no more text than it was asked for, and counts what is beyond."""
    found = survey(mixed(), RETENTION, keep=2)
    assert sorted(len(letters) for letters in found.letters.values()) == [1, 1, 1, 2, 2]
    assert not any(survey(mixed(), RETENTION, keep=2, keep_characters=4).letters.values())
    monkeypatch.setattr(module, "MAX_CAUSES", 1)
    few = survey(mixed(), RETENTION)
    assert (len(few.causes), few.others, few.seen) == (1, 5, 8)


def test_letters_that_others_lease_are_counted() -> None:
    """Messages that another run has leased are said to be unseen."""
    queue = queue_of(*(dead_letter(number) for number in range(3)))
    queue.receive(1)
    found = survey(queue, RETENTION)
    assert (found.seen, found.unseen) == (2, 1)


def test_the_letters_of_a_cause() -> None:
    """As many letters of a cause are returned as asked for, and all leases are given back."""
    queue = mixed()
    key = fingerprint_of(dead_letter(0))
    assert len(letters_of(queue, RETENTION, key, 2)) == 2
    assert {one.kind for one in letters_of(queue, RETENTION, key, 10)} == {"stock.adjusted"}
    assert queue.depth().visible == 8


def test_one_letter() -> None:
    """A letter is found by the id of the intent or of SQS, and does not show its payload by accident."""
    queue = mixed()
    letter = find_letter(queue, RETENTION, id_of(3))
    assert letter
    again = find_letter(queue, RETENTION, letter.message_id)
    assert again
    assert (again.id, again.origin) == (id_of(3), Origin.DRAIN)
    assert letter.stamp
    assert letter.stamp.reason == "NotNullViolation"
    assert letter.shape["data"] == {"sku": "text of 2", "delta": "number"}
    assert "A1" in letter.body
    assert "A1" not in repr(letter)
    assert find_letter(queue, RETENTION, id_of(99)) is None
