"""The state of one batch. Every step of the drain reads it and adds to it."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from itertools import chain
from operator import itemgetter
from typing import Any

from penstock.consumer.faults.tree import DataFault, Fault
from penstock.intents import Envelope, WriteIntent

Record = Mapping[str, Any]
"""One record of an SQS event (AWS Lambda Developer Guide, "Using Lambda with Amazon SQS")."""

_MOST_DIGITS = 15


@dataclass(slots=True, eq=False)
class Pack:
    """A message that holds many intents.

    Attributes:
        record: the record of the message.
        items: its intents.
        texts: the text of each as an envelope of its own; None while no one has asked.
    """

    record: Record
    items: list["Item"] = field(default_factory=list)
    texts: list[str] | None = None


@dataclass(eq=False)
class Item:
    """One record, or one intent of a pack, and what is known of it so far.

    Attributes:
        record: the record.
        fault: why it was not written.
        head: what was read of its envelope together with others (`penstock.intents.envelope_reader`), until it is
            sent; None if it was decoded by itself, or is to be.
        retry_later: whether it was not written because of its own fault, but may be written later.
        claimed: whether its id was claimed in this transaction.
        stale: whether something newer was there, if it was written by itself; see `Batch.stale` for the others.
        duplicate: whether it took effect in an earlier transaction.
        id_conflict: whether another payload took effect under its id in an earlier transaction.
        expired: whether it was taken up after its time.
        held: whether it was parked, because its kind is held.
        first_occurrence: the first item of the batch with the same id; None if this item is the first.
        pack: the message that it shares with others; None if the record is that of its own message.
    """

    record: Record
    fault: Fault | None = None
    pack: Pack | None = None
    # Defaults of the class, so that an item of ten thousand is made in a moment.
    head: Mapping[str, Any] | None = field(default=None, init=False)
    retry_later: bool = field(default=False, init=False)
    claimed: bool = field(default=False, init=False)
    stale: bool = field(default=False, init=False)
    duplicate: bool = field(default=False, init=False)
    id_conflict: bool = field(default=False, init=False)
    expired: bool = field(default=False, init=False)
    held: bool = field(default=False, init=False)
    first_occurrence: "Item | None" = field(default=None, init=False)
    _sent: tuple[str, str, str | None] | None = field(default=None, init=False)
    _envelope: Envelope[Any] | None = field(default=None, init=False)
    _decode: "Callable[[Item], object] | None" = field(default=None, init=False)

    def take_head(self, head: Mapping[str, Any], decode: "Callable[[Item], object]") -> None:
        """Take what was read of the envelope.

        Args:
            head: the attributes of the envelope.
            decode: decodes the whole envelope, when something asks for it.
        """
        self.head, self._decode = head, decode

    def let_go(self) -> None:
        """Free what was read of the envelope, apart from its kind, its id and its trace context.

        So the memory of one part of the batch is used again for the next one.
        """
        if (head := self.head) is not None:
            self._sent = head["type"], head["id"], head.get("traceparent")
            self.head = None

    def forget_read(self) -> None:
        """Forget all that was read of the envelope."""
        self.head = self._sent = None

    @property
    def is_unread(self) -> bool:
        """Whether what was read of it was let go, and nothing has decoded it since."""
        return self._sent is not None and self.head is None and self._envelope is None

    def forget_attempt(self) -> None:
        """Forget what an attempt has set that was rolled back."""
        self.claimed = self.duplicate = self.id_conflict = self.stale = self.expired = self.held = False
        self.first_occurrence = None

    @property
    def envelope(self) -> Envelope[Any] | None:
        """The decoded envelope; if the data is invalid, its head without data."""
        if self._envelope is None and self._decode:
            decode, self._decode = self._decode, None
            decode(self)
        return self._envelope

    @envelope.setter
    def envelope(self, envelope: Envelope[Any] | None) -> None:
        self._envelope = envelope

    @property
    def identity(self) -> tuple[str, str] | None:
        """The current name of its kind, and its id as RFC 9562 has it; None if its envelope cannot be read."""
        if self.head is not None:
            return self.head["type"], self.head["id"]
        if self._sent is not None:
            return self._sent[:2]
        return (self._envelope.type, str(self._envelope.id)) if self._envelope else None

    @property
    def intent_id(self) -> str:
        """The id of an item whose envelope can be read."""
        identity = self.identity
        assert identity is not None  # noqa: S101 (callers have checked that it can be read)
        return identity[1]

    @property
    def kind(self) -> str | None:
        """The current name of its kind; None if its envelope cannot be read."""
        identity = self.identity
        return identity[0] if identity else None

    @property
    def traceparent(self) -> str | None:
        """The trace context that its envelope names."""
        if self.head is not None:
            return self.head.get("traceparent")
        if self._sent is not None:
            return self._sent[2]
        return self._envelope.traceparent if self._envelope else None

    @property
    def expires_at(self) -> datetime | None:
        """When its intent expires; None if it does not."""
        return self._envelope.expirytime if self._envelope else None

    @property
    def message_id(self) -> str:
        """The id that SQS gave the message; of an intent in a pack, with its number."""
        return str(self.record["messageId"])

    @property
    def receive_count(self) -> int:
        """How often the message has been received, including this time; 1 if the record has no count."""
        return max(1, self.number("ApproximateReceiveCount") or 1)

    def number(self, name: str) -> int | None:
        """Return a system attribute of the message that is a count or a time; None if it is no such number."""
        value = self.system(name)
        return int(value) if value and value.isdecimal() and len(value) <= _MOST_DIGITS else None

    def system(self, name: str) -> str | None:
        """Return a system attribute of the message, which SQS set."""
        attributes = self.record.get("attributes")
        value = attributes.get(name) if isinstance(attributes, dict) else None
        return value if isinstance(value, str) else None

    @property
    def ordered_group(self) -> str | None:
        """The message group in which SQS keeps its order; None if it is not from a FIFO queue."""
        return self.system("MessageGroupId") if self.system("SequenceNumber") else None

    def require_envelope(self) -> Envelope[Any]:
        """Return the envelope of an item that was decoded."""
        envelope = self.envelope
        assert envelope is not None  # noqa: S101 (callers have checked that it was decoded)
        return envelope

    @property
    def is_dead(self) -> bool:
        """Whether it is dead-lettered: it has a fault of its own that will not pass."""
        return isinstance(self.fault, DataFault) and not self.retry_later

    @property
    def should_retry(self) -> bool:
        """Whether it goes back to the queue: its fault may pass, or only its first occurrence has a fault."""
        if self.fault is None:
            first = self.first_occurrence
            return first is not None and first.fault is not None and self.differs_from_first
        return not self.is_dead

    @property
    def differs_from_first(self) -> bool:
        """Whether its payload is neither that of its first occurrence nor one that took effect before."""
        return (
            self.first_occurrence is not None
            and not self.duplicate
            and not self.same_payload(self.first_occurrence)
        )

    def same_payload(self, other: "Item") -> bool:
        """Return whether another item has the same kind and payload."""
        mine, theirs = self.envelope, other.envelope
        if mine is None or theirs is None:
            return False
        return mine.type == theirs.type and _payload(mine.data) == _payload(theirs.data)


@dataclass
class Batch:
    """All intents of one invocation.

    Attributes:
        items: the records; in the place of a pack, its intents.
        deadline: when the invocation must have answered, in seconds of the monotonic clock.
        function_version: the version of the Lambda function.
        failed: the items that go back to the queue, by message id.
        sent_again: those of them that were sent to it in messages of their own.
        fault: why nothing of it was written, if its transaction failed as a whole.
        stale: how many intents of each kind were stale, of those that were written in sets.
        waits: how often the drain waited for Postgres in round trips of several statements.
        settled_at: when its transaction ended, in seconds since the epoch; 0 before that.
    """

    items: list[Item]
    deadline: float
    function_version: str
    failed: dict[str, Item] = field(default_factory=dict)
    sent_again: set[Item] = field(default_factory=set)
    fault: Fault | None = None
    stale: Counter[str] = field(default_factory=Counter)
    waits: int = 0
    settled_at: float = 0.0

    @classmethod
    def of(cls, event: Any, context: Any) -> "Batch":
        """Make a batch of an SQS event and the Lambda context of its invocation.

        Raises:
            ValueError: the event is not an SQS event.
        """
        records = event.get("Records") if isinstance(event, dict) else None
        if not isinstance(records, list) or not _are_records(records):
            raise ValueError("not an SQS event: expected `Records`, each with messageId, receiptHandle and body")
        deadline = time.monotonic() + context.get_remaining_time_in_millis() / 1000
        return cls([Item(record) for record in records], deadline, context.function_version)

    @cached_property
    def is_ordered(self) -> bool:
        """Whether any of its messages is from a FIFO queue."""
        attributes = [item.record.get("attributes") for item in self.items]
        return any("SequenceNumber" in one for one in attributes if isinstance(one, dict))

    @property
    def seconds_left(self) -> float:
        """How long the invocation may still run."""
        return self.deadline - time.monotonic()

    def hand_back(self, items: Iterable[Item]) -> None:
        """Add these items to those that go back to the queue."""
        self.failed.update((item.message_id, item) for item in items)

    @property
    def returning(self) -> list[Item]:
        """The items whose message is delivered again."""
        return [item for item in self.failed.values() if item not in self.sent_again]

    def report(self) -> dict[str, list[dict[str, str]]]:
        """Return the partial batch response: the failed messages. Lambda deletes all others."""
        ids = dict.fromkeys(str((item.pack or item).record["messageId"]) for item in self.returning)
        return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in ids]}


def _payload(data: Any) -> Any:
    """Return the fields of an intent, without those that a default factory fills anew at each decoding."""
    if not isinstance(data, WriteIntent):
        return data
    fields = type(data).model_fields.items()
    return {name: getattr(data, name) for name, field in fields if field.default_factory is None}


def _are_records(records: Sequence[Any]) -> bool:
    try:
        return _all_are(dict, records) and _all_are(str, chain.from_iterable(map(_REQUIRED, records)))
    except KeyError:
        return False


def _all_are(type_: type, values: Iterable[Any]) -> bool:
    # Of thousands of values, only the few types are looked at one by one.
    return all(issubclass(found, type_) for found in {*map(type, values)})


_REQUIRED = itemgetter("body", "messageId", "receiptHandle")
