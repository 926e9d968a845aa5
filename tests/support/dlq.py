"""Messages and records for the tests of the commands about dead letters."""

import json
from typing import Any

from sqlalchemy import Engine

from penstock.consumer.dead_letter import DeadLetter
from penstock.queue import Attribute, Outgoing
from tests.support.cli_stack import id_of, letter

UNREACHABLE_DATABASE = "postgresql://u:hunter2@127.0.0.1:1/x"
EMAIL = "someone@example.org"
KIND = ("--kind", "email.requested")
FOREIGN = Outgoing("hello", {"colour": Attribute(b"\x00\xff", "Binary.blob")})
"""A message of another program."""


def fingerprint_of(message: Outgoing) -> str:
    """Return the fingerprint in a message's letter."""
    read = DeadLetter.read(message.attributes)
    assert read
    assert read.fingerprint
    return read.fingerprint


FINGERPRINT = fingerprint_of(letter(1))
"""The fingerprint of the dead letters that `cli_stack.letter` returns."""


def operation_records(engine: Engine) -> list[dict[str, Any]]:
    """Return the records of operations, the oldest first."""
    with engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT * FROM penstock.operation ORDER BY begun_at").mappings()
        return [dict(row) for row in rows]


def moved_by_sqs(number: int) -> Outgoing:
    """Return a message that SQS moved to the dead-letter queue by itself."""
    return Outgoing(json.dumps({"specversion": "1.0", "id": id_of(number), "type": "order.placed", "data": {}}))


def page_view_letter(number: int, **data: Any) -> Outgoing:
    """Return the dead letter of a page view, as the shop emits it."""
    known = {"path": "/", "visitor": id_of(1), "viewed_at": "2026-11-20T10:00:00Z"}
    head = {"specversion": "1.0", "id": id_of(number), "source": "/shop", "type": "page.viewed"}
    return Outgoing(json.dumps(head | {"time": "2026-11-20T10:00:00Z", "data": known | data}))
