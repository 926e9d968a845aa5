"""A batch on its way through the drain: the one state that the steps work on."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from penstock.consumer.faults.tree import DataFault, Fault
from penstock.intents import Envelope, WriteIntent

Record = Mapping[str, Any]
"""One record of an SQS event, as Lambda gives it (AWS Lambda Developer Guide, "Using Lambda with Amazon SQS")."""


@dataclass(slots=True, eq=False)
class Item:
    """One record, and what has become of it so far.

    Attributes:
        record: the record.
        envelope: what was decoded; of an intent with invalid data, the head alone.
        fault: why it did not land.
        waits: whether it did not land but is worth another try.
        claimed: whether its id was claimed before it was written.
        duplicate: whether it had taken effect before.
        reused: whether what had taken effect under its id was something else.
        twin: an item before it in the batch with the same id.
    """

    record: Record
    envelope: Envelope[Any] | None = None
    fault: Fault | None = None
    waits: bool = False
    claimed: bool = False
    duplicate: bool = False
    reused: bool = False
    twin: "Item | None" = None

    @property
    def message_id(self) -> str:
        """SQS's id of the message."""
        return str(self.record["messageId"])

    @property
    def receive_count(self) -> int:
        """How often the message has been received, this time included; 1 where the record does not say."""
        count = self.system("ApproximateReceiveCount")
        return int(count) if count and count.isdecimal() else 1

    def system(self, name: str) -> str | None:
        """Return an attribute that SQS itself has given the message."""
        value = (self.record.get("attributes") or {}).get(name)
        return value if isinstance(value, str) else None

    @property
    def ordered_group(self) -> str | None:
        """The message group that it has its place in, if it comes from a FIFO queue."""
        return self.system("MessageGroupId") if self.system("SequenceNumber") else None

    @property
    def sound(self) -> Envelope[Any]:
        """The envelope of what could be decoded."""
        assert self.envelope is not None  # noqa: S101 (whoever asks has seen to it)
        return self.envelope

    @property
    def hopeless(self) -> bool:
        """Whether it goes to the dead letters: its own fault, and nothing left to wait for."""
        return isinstance(self.fault, DataFault) and not self.waits

    @property
    def returns(self) -> bool:
        """Whether it goes back to the queue: not its own fault, or too early, or its twin alone is at fault."""
        if self.fault is None:
            return self.twin is not None and self.twin.fault is not None and self.differs_from_twin
        return not self.hopeless

    @property
    def differs_from_twin(self) -> bool:
        """Whether neither its twin nor what had taken effect before says the same."""
        return self.twin is not None and not self.duplicate and not self.repeats(self.twin)

    def repeats(self, other: "Item") -> bool:
        """Tell whether it says the same as another item of the same id."""
        mine, theirs = self.envelope, other.envelope
        if mine is None or theirs is None:
            return False
        return mine.type == theirs.type and _said(mine.data) == _said(theirs.data)


@dataclass(slots=True)
class Batch:
    """All records of one invocation.

    Attributes:
        items: the records.
        deadline: when the invocation must have answered, on the monotonic clock, in seconds.
        function_version: the version of the function that drains it.
        failed: the items that go back to the queue, by message id.
    """

    items: list[Item]
    deadline: float
    function_version: str
    failed: dict[str, Item] = field(default_factory=dict)

    @classmethod
    def of(cls, event: Any, context: Any) -> "Batch":
        """Take an SQS event and the invocation's Lambda context.

        Raises:
            ValueError: the event is not one of SQS.
        """
        records = event.get("Records") if isinstance(event, dict) else None
        if not isinstance(records, list) or not all(map(_is_record, records)):
            raise ValueError("not an SQS event: expected `Records`, each with messageId, receiptHandle and body")
        deadline = time.monotonic() + context.get_remaining_time_in_millis() / 1000
        return cls([Item(record) for record in records], deadline, context.function_version)

    @property
    def seconds_left(self) -> float:
        """How long the invocation may still run."""
        return self.deadline - time.monotonic()

    def hand_back(self, items: Iterable[Item]) -> None:
        """Have these items returned to the queue."""
        self.failed.update((item.message_id, item) for item in items)

    def report(self) -> dict[str, list[dict[str, str]]]:
        """Say which records failed; Lambda deletes all others (partial batch response)."""
        return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in self.failed]}


def _said(data: Any) -> Any:
    """Return what a message says, without what a function fills in anew each time that it is read."""
    if not isinstance(data, WriteIntent):
        return data
    fields = type(data).model_fields.items()
    return {name: getattr(data, name) for name, field in fields if field.default_factory is None}


def _is_record(record: Any) -> bool:
    if not isinstance(record, dict):
        return False
    body, message_id, receipt_handle = record.get("body"), record.get("messageId"), record.get("receiptHandle")
    return isinstance(body, str) and isinstance(message_id, str) and isinstance(receipt_handle, str)
