"""A message found on the dead-letter queue, read as far as it can be read."""

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self
from uuid import UUID

from penstock.consumer.dead_letter import DeadLetter
from penstock.deadletters.replay_marker import Stamp
from penstock.queue import Received


class Origin(StrEnum):
    """Who put a message on the dead-letter queue."""

    DRAIN = "drain"
    """The drain, with a letter."""
    SQS = "sqs"
    """SQS itself: the message had been received too often."""
    OTHER = "other"
    """Another program: it is no envelope and carries no letter."""


@dataclass(frozen=True, slots=True)
class DeadLetterMessage:
    """One message on the dead-letter queue, under lease.

    Attributes:
        message: the message as it came.
        letter: why it was set aside; None where SQS moved it by itself or another program sent it.
        id: the intent's id, where there is one.
        kind: the intent's kind, where there is one.
        stamp: the replay that it comes back from, where there was one.
    """

    message: Received
    letter: DeadLetter | None
    id: str | None
    kind: str | None
    stamp: Stamp | None

    @classmethod
    def of(cls, message: Received) -> Self:
        """Read a message's letter and the head of its envelope, whatever state they are in."""
        letter, stamp = DeadLetter.read(message.attributes), Stamp.read(message.attributes)
        head = _head(message.body)
        if head is not None:
            return cls(message, letter, canonical(head["id"]), head["type"], stamp)
        if letter is None or not isinstance(letter.id, str):
            return cls(message, letter, None, letter.kind if letter else None, stamp)
        return cls(message, letter, canonical(letter.id), letter.kind, stamp)

    @property
    def intent_id(self) -> UUID | None:
        """The intent's id as the ledger knows it; None where there is none, or it is no UUID."""
        try:
            return UUID(self.id) if self.id else None
        except ValueError:
            return None

    @property
    def origin(self) -> Origin:
        """Who put it there."""
        if self.letter:
            return Origin.DRAIN
        return Origin.SQS if self.id else Origin.OTHER

    @property
    def causes(self) -> frozenset[str]:
        """The words that its fault goes by: class and reason, or its origin where it has no letter."""
        return frozenset({self.letter.fault, self.letter.reason} if self.letter else {self.origin})

    @property
    def replays(self) -> int:
        """How often it has been replayed, as far as its stamp tells."""
        return self.stamp.count if self.stamp else 0


def canonical(text: str) -> str:
    """Write a UUID the one way that UUIDs are compared here; other text is only trimmed."""
    try:
        return str(UUID(text.strip()))
    except ValueError:
        return text.strip()


def _head(body: str) -> dict[str, Any] | None:
    """Read a CloudEvent's head; None for what is not one. Its data may be anything: it is dead, after all."""
    try:
        event = json.loads(body)
    except (ValueError, RecursionError):
        return None
    wanted = ("specversion", "id", "type")
    whole = isinstance(event, dict) and all(isinstance(event.get(name), str) for name in wanted)
    return {name: event[name] for name in wanted} if whole else None
