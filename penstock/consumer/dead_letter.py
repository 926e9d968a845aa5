"""The dead letter's form: the message as it came, with the fault in two more attributes.

`penstock.fault` is one line for whoever looks at the queue; `penstock.dead-letter` is the whole of it as JSON.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from hashlib import sha256

from pydantic import TypeAdapter, ValidationError

from penstock.consumer.faults.tree import Cause, Fault
from penstock.queue import ATTRIBUTE_LIMIT, MESSAGE_LIMIT_BYTES, Attribute, Outgoing

FAULT_ATTRIBUTE = "penstock.fault"
LETTER_ATTRIBUTE = "penstock.dead-letter"

_POSITION = re.compile(r"\.\d+(?=[. ])")
"""An item's place in a list, in a field's path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """Why an intent was set aside, and what is known of it; no value of the intent itself.

    Attributes:
        fault: the class of the fault, `DataFault` for one.
        reason: the cause's stable word.
        detail: the cause as one line.
        sqlstate: Postgres's code, where it found the fault.
        constraint: the violated constraint.
        table: the table.
        column: the column.
        kind: the intent's kind, where it could be read.
        id: the intent's id, where it could be read.
        receive_count: how often SQS had delivered the message.
        first_seen: when SQS first delivered it, RFC 3339.
        function_version: the version of the function that gave up on it.
        fingerprint: the same for letters of one kind with one cause, and no others; made of names and codes alone.
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
        id: str | None,  # noqa: A002 (the envelope's own word)
        receive_count: int,
        first_seen: str | None,
        function_version: str | None,
    ) -> "DeadLetter":
        """Describe `fault`, met by one message."""
        cause = fault.cause
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
        """Add this letter to a message, in place of an earlier letter's.

        SQS allows ten attributes and 1 MiB. Where there is no room for both of the letter's attributes the one
        line is left out, then the other one, too: nothing that the sender wrote is lost.
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
        """Read a letter back from a message's attributes; None where there is none or it is not one of ours."""
        stamped = attributes.get(LETTER_ATTRIBUTE)
        try:
            return _LETTER.validate_json(stamped.value) if stamped else None
        except ValidationError:
            return None


_LETTER = TypeAdapter(DeadLetter)


def _fingerprint(kind: str | None, cause: Cause) -> str:
    """Name a cause by twelve characters; where in a list a field is wrong makes no other cause of it."""
    fields = sorted({_POSITION.sub(".*", field) for field in cause.fields})
    parts = [kind, cause.reason, cause.sqlstate, cause.constraint, cause.table, cause.column, fields]
    return sha256(json.dumps(parts).encode()).hexdigest()[:12]


def unstamp(attributes: Mapping[str, Attribute]) -> dict[str, Attribute]:
    """Leave out what `DeadLetter.stamp` added: the attributes as the sender wrote them."""
    return {k: v for k, v in attributes.items() if k not in {FAULT_ATTRIBUTE, LETTER_ATTRIBUTE}}
