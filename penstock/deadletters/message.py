"""A message on the dead-letter queue, parsed as far as possible."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self
from uuid import UUID

from penstock.consumer.dead_letter import DeadLetter
from penstock.deadletters.replay_marker import ReplayMarker
from penstock.intents.ids import event_id
from penstock.queue import Received


class Origin(StrEnum):
    """Who put a message on the dead-letter queue."""

    DRAIN = "drain"
    """The drain. The message carries the attributes of a `DeadLetter`."""
    SQS = "sqs"
    """SQS, after too many receives of the message."""
    OTHER = "other"
    """Another program: the message is not an envelope and has no `DeadLetter` attributes."""


@dataclass(frozen=True, slots=True)
class DeadLetterMessage:
    """One message on the dead-letter queue, under lease.

    Attributes:
        message: the message as received.
        letter: why the drain dead-lettered it; None if SQS moved it or another program sent it.
        id: the intent's id, if there is one.
        kind: the intent's kind, if there is one.
        marker: the last replay of the message, if there was one.
    """

    message: Received
    letter: DeadLetter | None
    id: str | None
    kind: str | None
    marker: ReplayMarker | None

    @classmethod
    def of(cls, message: Received) -> Self:
        """Parse a message's attributes and the head of its envelope; neither needs to be valid."""
        letter, marker = DeadLetter.read(message.attributes), ReplayMarker.read(message.attributes)
        head = _head(message.body)
        if head is not None:
            return cls(message, letter, _id_of(head), head["type"], marker)
        if letter is None or not isinstance(letter.id, str):
            return cls(message, letter, None, letter.kind if letter else None, marker)
        return cls(message, letter, canonical(letter.id), letter.kind, marker)

    @property
    def intent_id(self) -> UUID | None:
        """The intent's id as in the ledger; None if there is none or it is not a UUID."""
        try:
            return UUID(self.id) if self.id else None
        except ValueError:
            return None

    @property
    def is_parsed(self) -> bool:
        """Whether it is an intent with an id, as far as its envelope or its letter says so."""
        return bool(self.id)

    @property
    def origin(self) -> Origin:
        """Who put it on the dead-letter queue."""
        if self.letter:
            return Origin.DRAIN
        return Origin.SQS if self.id else Origin.OTHER

    @property
    def causes(self) -> frozenset[str]:
        """The names of its fault: class and reason, or the origin if it has no `DeadLetter` attributes."""
        return frozenset({self.letter.fault, self.letter.reason} if self.letter else {self.origin})

    @property
    def replays(self) -> int:
        """How often it has been replayed, by its marker."""
        return self.marker.count if self.marker else 0


def canonical(text: str) -> str:
    """Return a UUID in its canonical form; strip other text."""
    try:
        return str(UUID(text.strip()))
    except ValueError:
        return text.strip()


def _id_of(head: Mapping[str, Any]) -> str:
    """Return the id in the ledger. An id that is no UUID is derived, as the drain does."""
    id_, source = head["id"], head.get("source")
    return str(event_id(source, id_)) if id_ and isinstance(source, str) else canonical(id_)


def _head(body: str) -> dict[str, Any] | None:
    """Return the head of a CloudEvent; None if the body is not one. Its data may be invalid."""
    try:
        event = json.loads(body)
    except (ValueError, RecursionError):
        return None
    names = ("specversion", "id", "type")
    is_event = isinstance(event, dict) and all(isinstance(event.get(name), str) for name in names)
    return {name: event.get(name) for name in (*names, "source")} if is_event else None
