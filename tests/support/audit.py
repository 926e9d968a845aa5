"""Messages as the audit finds them."""

import json

from penstock.consumer.dead_letter import DeadLetter
from penstock.consumer.faults.tree import Cause, DataFault
from penstock.queue import Outgoing


def message(id_: object, *, letter: bool = True) -> Outgoing:
    """Write a message as the drain sets it aside, or as SQS moves it."""
    body = Outgoing(json.dumps({"specversion": "1.0", "id": str(id_), "type": "thing.done", "data": {}}))
    return dead_letter(str(id_)).stamp(body) if letter else body


def dead_letter(id_: str | None) -> DeadLetter:
    return DeadLetter.of(
        DataFault(Cause("CheckViolation")),
        kind=None,
        id=id_,
        receive_count=1,
        first_seen=None,
        function_version=None,
    )
