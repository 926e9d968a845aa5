"""A census of the dead-letter queue: which intents have a dead letter, and how many messages have no id."""

from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from typing import Final, Self
from uuid import UUID

from penstock.deadletters.message import DeadLetterMessage, Origin
from penstock.deadletters.scan.scan import look
from penstock.queue import Queue

MOST_LETTERS: Final = 100_000
"""SQS has 120,000 messages of a queue in flight at most (SQS quotas)."""


@dataclass(slots=True)
class Census:
    """What is on the dead-letter queue.

    Attributes:
        hidden: how many were in somebody else's lease when the look began, or were not shown to it, approximately:
            SQS shows nothing of a FIFO queue's message group while it has leased out some of it.
        looked: how many messages were looked at.
        ids: the intents, each with whether the drain set its letter aside.
        strange: texts that stand for an id in messages that SQS moved, and are none.
        unread: letters of what the drain could not read, so that they have no id.
        foreign: messages that are no intents: another program put them there.
    """

    hidden: int
    looked: int = 0
    ids: dict[UUID, bool] = field(default_factory=dict)
    strange: list[str] = field(default_factory=list)
    unread: int = 0
    foreign: int = 0

    @classmethod
    def take(cls, dead: Queue) -> Self:
        """Look through the queue, which counts as one receive of each message and leases it meanwhile.

        Raises:
            penstock.queue.QueueError: the queue cannot be read.
        """
        before = dead.depth()
        census = cls(before.in_flight)
        with closing(look(dead)) as found:
            for one in islice(found, MOST_LETTERS):
                census._count(one)
        census.hidden += max(before.visible - census.looked, 0)
        return census

    @property
    def is_partial(self) -> bool:
        """Whether there may be dead letters that were not seen."""
        return self.hidden > 0 or self.looked >= MOST_LETTERS

    def _count(self, found: DeadLetterMessage) -> None:
        self.looked += 1
        id_, origin = found.intent_id, found.origin
        if id_:
            self.ids[id_] = self.ids.get(id_, False) or origin == Origin.DRAIN
        elif origin == Origin.SQS:
            self.strange.append(found.id or "")
        else:
            self.unread += origin == Origin.DRAIN
            self.foreign += origin == Origin.OTHER
