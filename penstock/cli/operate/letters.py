"""One dead letter, as a screen shows it."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Self

from penstock.consumer.dead_letter import DeadLetter
from penstock.deadletters import DeadLetterMessage, Origin, Selector, scan
from penstock.deadletters.redact import redacted
from penstock.queue import Queue


@dataclass(frozen=True, slots=True)
class Letter:
    """One dead letter. All its text is a sender's: a screen has to escape it.

    Attributes:
        message_id: SQS's id of the message.
        id: the intent's id, if there is one.
        kind: the intent's kind, if there is one.
        origin: who put it on the dead-letter queue.
        stamp: why the drain dead-lettered it; None if SQS moved it or another program sent it.
        receive_count: how often SQS delivered it from the dead-letter queue.
        replays: how often it was replayed.
        group: the message group, on a FIFO queue.
        attributes: the names of its message attributes.
        sent_at: when SQS accepted it, in seconds since the epoch.
        expires_at: when SQS drops it, in seconds since the epoch.
        body: the whole message, which may hold personal data: show it only on demand, and `shape` otherwise.
    """

    message_id: str
    id: str | None
    kind: str | None
    origin: Origin
    stamp: DeadLetter | None
    receive_count: int
    replays: int
    group: str | None
    attributes: Sequence[str]
    sent_at: float
    expires_at: float
    body: str = field(repr=False)

    @classmethod
    def of(cls, found: DeadLetterMessage, retention_seconds: int) -> Self:
        """Take what a scan has read."""
        message = found.message
        return cls(
            message_id=message.message_id,
            id=found.id,
            kind=found.kind,
            origin=found.origin,
            stamp=found.letter,
            receive_count=message.receive_count,
            replays=found.replays,
            group=message.group,
            attributes=sorted(message.attributes),
            sent_at=message.sent_at,
            expires_at=message.sent_at + retention_seconds,
            body=message.body,
        )

    @property
    def shape(self) -> Any:
        """The body with the types of its values in place of the values, as JSON values."""
        return redacted(self.body)


def find_letter(dead: Queue, retention_seconds: int, id_: str) -> Letter | None:
    """Return the first dead letter with this id, which is the intent's or SQS's; None if none has it.

    The scan ends there: other copies of the same intent have other ids of SQS.

    Raises:
        ValueError: the id is empty.
        penstock.queue.QueueError: the queue cannot be read.
    """
    with closing(scan(dead, Selector.of(ids=[id_]), limit=1)) as found:
        return next((Letter.of(one, retention_seconds) for one in found), None)
