"""The form of a dead letter: the original message, with its fault in two more message attributes.

`penstock.fault` is one line for a person who looks at the queue. `penstock.dead-letter` is the whole record as
JSON.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from logging import Logger
from typing import Any

from pydantic import TypeAdapter, ValidationError

from penstock.consumer.faults.tree import Cause, Fault, storable
from penstock.queue import ATTRIBUTE_LIMIT, MESSAGE_LIMIT_BYTES, Attribute, Outgoing, Queue, Refusal

FAULT_ATTRIBUTE = "penstock.fault"
LETTER_ATTRIBUTE = "penstock.dead-letter"
_STAMPS = {FAULT_ATTRIBUTE, LETTER_ATTRIBUTE}

_POSITION = re.compile(r"\.\d+(?=[. ])")
"""The index of a list item in the path of a field."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """Why an intent was dead-lettered, and what is known of it. Holds no value of the intent.

    Attributes:
        fault: the class of the fault, such as `DataFault`.
        reason: the cause's stable word.
        detail: the cause as one line.
        sqlstate: Postgres's error code, if Postgres found the fault.
        constraint: the violated constraint.
        table: the table.
        column: the column.
        kind: the intent's kind, if it could be decoded.
        id: the intent's id, if it could be decoded.
        receive_count: how often SQS had delivered the message.
        first_seen: when SQS first delivered it, RFC 3339.
        function_version: the version of the Lambda function that dead-lettered it.
        fingerprint: equal for dead letters of one kind and one cause only; made of names and codes alone.
    """

    fault: str
    reason: str
    detail: str
    sqlstate: str | None = None
    constraint: str | None = None
    table: str | None = None
    column: str | None = None
    kind: str | None = None
    id: str | None = None
    receive_count: int = 1
    first_seen: str | None = None
    function_version: str | None = None
    fingerprint: str | None = None

    @classmethod
    def of(
        cls,
        fault: Fault,
        *,
        kind: str | None,
        id: str | None,  # noqa: A002 (the name in the envelope)
        receive_count: int,
        first_seen: str | None,
        function_version: str | None,
    ) -> "DeadLetter":
        """Make the dead letter of one message that has `fault`."""
        cause = storable(fault.cause)
        return cls(
            fault=type(fault).__name__,
            reason=cause.reason,
            detail=str(cause),
            sqlstate=cause.sqlstate,
            constraint=cause.constraint,
            table=cause.table,
            column=cause.column,
            kind=kind,
            id=id,
            receive_count=receive_count,
            first_seen=first_seen,
            function_version=function_version,
            fingerprint=_fingerprint(kind, cause),
        )

    def stamp(self, message: Outgoing) -> Outgoing:
        """Add this dead letter to a message, and remove an earlier one.

        SQS allows ten attributes and 1 MiB. If both attributes do not fit, the one line is left out, then the
        JSON: nothing that the sender wrote is lost.
        """
        own = unstamp(message.attributes)
        known = {name: value for name, value in asdict(self).items() if value is not None}
        whole = {LETTER_ATTRIBUTE: Attribute(json.dumps(known, separators=(",", ":")))}
        line = {FAULT_ATTRIBUTE: Attribute(f"{self.fault} {self.detail}")}
        for letter in (whole | line, whole, line):
            stamped = replace(message, attributes=own | letter)
            if len(stamped.attributes) <= ATTRIBUTE_LIMIT and stamped.size <= MESSAGE_LIMIT_BYTES:
                return stamped
        return replace(message, attributes=own)

    @classmethod
    def read(cls, attributes: Mapping[str, Attribute]) -> "DeadLetter | None":
        """Read the dead letter in the attributes of a message; None if there is none or it is not Penstock's."""
        stamped = attributes.get(LETTER_ATTRIBUTE)
        try:
            return _LETTER.validate_json(stamped.value) if stamped else None
        except ValidationError:
            return None


_LETTER = TypeAdapter(DeadLetter)


def _fingerprint(kind: str | None, cause: Cause) -> str:
    """Return twelve characters that stand for a cause. The index of a list item does not count."""
    fields = sorted({_POSITION.sub(".*", field) for field in cause.fields})
    parts = [kind, cause.reason, cause.sqlstate, cause.constraint, cause.table, cause.column, fields]
    return sha256(json.dumps(parts).encode()).hexdigest()[:12]


def unstamp(attributes: Mapping[str, Attribute]) -> dict[str, Attribute]:
    """Return the attributes that the sender wrote, without those that `DeadLetter.stamp` added."""
    return {k: v for k, v in attributes.items() if k not in _STAMPS}


def send_letters(
    dead_letters: Queue, letters: Sequence[Outgoing], timeout_seconds: float | None = None
) -> dict[int, Refusal]:
    """Send stamped messages to the dead-letter queue; return the refusals by position.

    SQS may refuse the attributes of one message, and a whole call because of them. What is refused as invalid is
    sent again without the attributes of its sender: the drain reads the body alone.
    """
    refused = dead_letters.send(letters, timeout_seconds=timeout_seconds)
    invalid = [
        index for index, refusal in refused.items() if _is_invalid(refusal) and unstamp(letters[index].attributes)
    ]
    if not invalid:
        return refused
    bare = [replace(letters[index], attributes=_stamps(letters[index].attributes)) for index in invalid]
    again = dead_letters.send(bare, timeout_seconds=timeout_seconds)
    sent = {index for position, index in enumerate(invalid) if position not in again}
    return {index: refusal for index, refusal in refused.items() if index not in sent}


def log_letter(logger: Logger, letter: DeadLetter, refusal: Refusal | None, **more: Any) -> None:
    """Log that a message was dead-lettered, or why the dead-letter queue refused it.

    Args:
        logger: the logger of the caller.
        letter: the letter.
        refusal: why it was refused; None if it was sent.
        more: what else is known of it, for the structured log.
    """
    if refusal:
        logger.error("dead letter refused: %s", refusal.code, extra={"action": "dead_letter_refused"})
        return
    named = {"intent_id": letter.id, "kind": letter.kind, "fault": letter.detail}
    named |= {"fingerprint": letter.fingerprint, **more}
    logger.warning("dead letter: %s", letter.detail, extra={"action": "dead_letter", **named})


def _is_invalid(refusal: Refusal) -> bool:
    return not refusal.retryable and ("Invalid" in refusal.code or "Parameter" in refusal.code)


def _stamps(attributes: Mapping[str, Attribute]) -> dict[str, Attribute]:
    return {name: value for name, value in attributes.items() if name in _STAMPS}
