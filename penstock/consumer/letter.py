"""The dead letter's form: the message as it came, with the fault in two more attributes.

`penstock.fault` is one line for whoever looks at the queue; `penstock.dead-letter` is the whole of it as JSON.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from pydantic import TypeAdapter, ValidationError

from penstock.consumer.faults import Fault
from penstock.queue import ATTRIBUTE_LIMIT, Attribute

FAULT_ATTRIBUTE = "penstock.fault"
LETTER_ATTRIBUTE = "penstock.dead-letter"


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
        )

    def stamp(self, attributes: Mapping[str, Attribute]) -> dict[str, Attribute]:
        """Add this letter to a message's attributes, in place of an earlier letter's.

        SQS allows ten attributes: where the message has too many, the letter alone is left out of them last,
        its one line first, so that nothing that the sender wrote is lost.
        """
        stamped = unstamp(attributes)
        whole = {name: value for name, value in asdict(self).items() if value is not None}
        letter = {
            LETTER_ATTRIBUTE: Attribute(json.dumps(whole, separators=(",", ":"))),
            FAULT_ATTRIBUTE: Attribute(f"{self.fault} {self.detail}"),
        }
        room = ATTRIBUTE_LIMIT - len(stamped)
        return stamped | dict(list(letter.items())[:room])

    @classmethod
    def read(cls, attributes: Mapping[str, Attribute]) -> "DeadLetter | None":
        """Read a letter back from a message's attributes; None where there is none or it is not one of ours."""
        stamped = attributes.get(LETTER_ATTRIBUTE)
        try:
            return _LETTER.validate_json(stamped.value) if stamped else None
        except ValidationError:
            return None


_LETTER = TypeAdapter(DeadLetter)


def unstamp(attributes: Mapping[str, Attribute]) -> dict[str, Attribute]:
    """Leave out what `DeadLetter.stamp` added: the attributes as the sender wrote them."""
    return {k: v for k, v in attributes.items() if k not in {FAULT_ATTRIBUTE, LETTER_ATTRIBUTE}}
