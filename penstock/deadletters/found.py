"""A message found on the dead-letter queue, read as far as it can be read."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any, Self
from uuid import UUID

from penstock.consumer.letter import DeadLetter, unstamp
from penstock.queue import Received


@dataclass(frozen=True, slots=True)
class Found:
    """One message on the dead-letter queue, under lease.

    Attributes:
        message: the message as it came.
        letter: why it was set aside; None where SQS moved it by itself or another program sent it.
        id: the intent's id, where there is one.
        kind: the intent's kind, where there is one.
    """

    message: Received
    letter: DeadLetter | None
    id: str | None
    kind: str | None

    @classmethod
    def of(cls, message: Received) -> Self:
        """Read a message's letter and the head of its envelope, whatever state they are in."""
        letter = DeadLetter.read(message.attributes)
        head = _head(message.body)
        if head is not None:
            return cls(message, letter, canonical(head["id"]), head["type"])
        if letter is None or not isinstance(letter.id, str):
            return cls(message, letter, None, letter.kind if letter else None)
        return cls(message, letter, canonical(letter.id), letter.kind)

    @property
    def is_foreign(self) -> bool:
        """Whether another program put it there: it is no envelope and carries no letter."""
        return self.letter is None and self.id is None

    @property
    def identity(self) -> bytes:
        """Sixteen bytes that tell it from others: equal for copies of one intent or of one message."""
        sender = sorted(unstamp(self.message.attributes).items())
        whole = self.id or repr((self.message.body, sender, self.message.group))
        return hashlib.sha256(whole.encode(errors="replace")).digest()[:16]


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
