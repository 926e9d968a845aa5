"""A batch on its way through the drain: the one state that the steps work on."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from penstock.consumer.faults import DataFault, Fault, NotYetFault
from penstock.intents import Envelope

Record = Mapping[str, Any]
"""One record of an SQS event, as Lambda gives it (AWS Lambda Developer Guide, "Using Lambda with Amazon SQS")."""

_NEEDED = {"messageId", "receiptHandle", "body"}

PATIENCE = 5
"""How often an intent that cannot land yet is received before it is given up."""


@dataclass(slots=True, eq=False)
class Item:
    """One record, and what has become of it so far.

    Attributes:
        record: the record.
        envelope: what was decoded; of an intent with invalid data, the head alone.
        fault: why it cannot land.
        duplicate: whether it had taken effect before.
    """

    record: Record
    envelope: Envelope[Any] | None = None
    fault: Fault | None = None
    duplicate: bool = False

    @property
    def message_id(self) -> str:
        """SQS's id of the message."""
        return str(self.record["messageId"])

    @property
    def receive_count(self) -> int:
        """How often the message has been received, this time included."""
        return int(self.record.get("attributes", {}).get("ApproximateReceiveCount", 1))

    @property
    def waiting(self) -> bool:
        """Whether it cannot land yet, and is to be tried again."""
        return isinstance(self.fault, NotYetFault) and not self.hopeless_with(self.fault)

    def hopeless_with(self, fault: Fault | None) -> bool:
        """Whether `fault` sends it to the dead letters: its own fault, and nothing left to wait for."""
        patient = isinstance(fault, NotYetFault) and self.receive_count < PATIENCE
        return isinstance(fault, DataFault) and not patient


@dataclass(slots=True)
class Batch:
    """All records of one invocation.

    Attributes:
        items: the records.
        deadline: when the invocation must have answered, on the monotonic clock, in seconds.
        function_version: the version of the function that drains it.
        failed: the items that go back to the queue.
    """

    items: list[Item]
    deadline: float
    function_version: str
    failed: dict[str, Item] = field(default_factory=dict)

    @classmethod
    def of(cls, event: Mapping[str, Any], context: Any) -> "Batch":
        """Take an SQS event and the invocation's Lambda context.

        Raises:
            ValueError: the event is not one of SQS.
        """
        records = event.get("Records")
        if not isinstance(records, list) or not all(r.keys() >= _NEEDED for r in records):
            raise ValueError(f"not an SQS event: expected `Records`, each with {', '.join(sorted(_NEEDED))}")
        deadline = time.monotonic() + context.get_remaining_time_in_millis() / 1000
        return cls([Item(record) for record in records], deadline, context.function_version)

    @property
    def seconds_left(self) -> float:
        """How long the invocation may still run."""
        return self.deadline - time.monotonic()

    @property
    def landable(self) -> list[Item]:
        """The items that nothing speaks against so far."""
        return [item for item in self.items if item.fault is None]

    def hand_back(self, items: list[Item]) -> None:
        """Have these items returned to the queue."""
        self.failed.update((item.message_id, item) for item in items)

    def report(self) -> dict[str, list[dict[str, str]]]:
        """Say which records failed; Lambda deletes all others (partial batch response)."""
        return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in self.failed]}
