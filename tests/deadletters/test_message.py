"""A message on the dead-letter queue is parsed as far as possible, with or without a `DeadLetter`."""

import pytest

from penstock.consumer.dead_letter import DeadLetter
from penstock.deadletters import (
    DeadLetterMessage,
    Origin,
    scan,
)
from penstock.queue import Attribute, Outgoing
from tests.support.dead_letters import (
    QueuePair,
    envelope,
    id_of,
    letter,
)


def found(message: Outgoing) -> DeadLetterMessage:
    """Find one message on a queue of its own."""
    (one,) = scan(QueuePair(message).dead, limit=1)
    return one


def test_a_letter_is_read() -> None:
    """Fault, kind and id are those of the letter and the envelope."""
    one = found(letter(7))
    assert one.letter
    assert (one.id, one.kind, one.letter.fault) == (id_of(7), "stock.adjusted", "DataFault")
    assert one.letter.detail == "CheckViolation: sqlstate 23514, constraint stock_quantity_check"
    assert one.origin == Origin.DRAIN


def test_an_envelope_that_sqs_moved_is_known() -> None:
    """Without a letter, an envelope still has its id and kind."""
    one = found(Outgoing(envelope(7)))
    assert (one.id, one.kind, one.letter, one.origin) == (id_of(7), "stock.adjusted", None, Origin.SQS)


@pytest.mark.parametrize(
    "body", ["hello", "[1]", "1", '{"id": "1"}', '{"specversion": 1, "id": 1, "type": 1}', "[" * 100_000, "{"]
)
def test_another_programs_message_is_foreign(body: str) -> None:
    """A message that is neither an envelope nor a dead letter of the drain is of another program."""
    one = found(Outgoing(body, {"penstock.dead-letter": Attribute("not json")}))
    assert (one.origin, one.id, one.kind) == (Origin.OTHER, None, None)


def test_a_letter_of_an_unreadable_body_is_ours() -> None:
    """A body that was not JSON got a letter from the drain, without an id."""
    dead = DeadLetter(fault="DataFault", reason="not-json", detail="not-json")
    one = found(dead.stamp(Outgoing("{")))
    assert (one.origin, one.id) == (Origin.DRAIN, None)
