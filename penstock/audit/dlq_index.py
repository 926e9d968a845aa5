"""An index of the dead-letter queue: which intents have a dead letter, and how many messages have no intent id."""

from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from typing import Final, Self
from uuid import UUID

from penstock.deadletters.message import DeadLetterMessage, Origin
from penstock.deadletters.scan.scan import scan
from penstock.queue import Queue

MAX_LETTERS: Final = 100_000
"""SQS allows 120,000 messages of a queue in flight (SQS quotas)."""


@dataclass(slots=True)
class DlqIndex:
    """What is on the dead-letter queue.

    Attributes:
        hidden: how many were delayed or under another consumer's lease when the scan began, or were not shown to
            the scan, approximately: SQS shows nothing of a FIFO queue's message group while some of it is leased.
        scanned: how many messages the scan has seen, with each intent of a pack.
        ids: the intents; True if the drain sent the dead letter.
        malformed_ids: the ids of messages that SQS moved, where they are no UUIDs.
        unreadable: how many dead letters are of messages that the drain could not read, so that they have no id.
        foreign: how many messages are no intents: another program put them there.
    """

    hidden: int
    scanned: int = 0
    ids: dict[UUID, bool] = field(default_factory=dict)
    malformed_ids: list[str] = field(default_factory=list)
    unreadable: int = 0
    foreign: int = 0

    @classmethod
    def build(cls, dead: Queue) -> Self:
        """Scan the queue. This counts as one receive of each message, and leases the messages meanwhile.

        Raises:
            penstock.queue.QueueError: the queue cannot be read.
        """
        before = dead.depth()
        index = cls(before.in_flight + before.delayed)
        pages: list[int] = []
        with closing(scan(dead, on_page=pages.append)) as found:
            for one in islice(found, MAX_LETTERS):
                index._add(one)
        # Messages, not intents: a pack has many of these.
        index.hidden += max(before.visible - sum(pages), 0)
        return index

    @property
    def is_partial(self) -> bool:
        """Whether there may be dead letters that the scan did not see."""
        return self.hidden > 0 or self.was_cut_off

    @property
    def was_cut_off(self) -> bool:
        """Whether the scan ended before the end of the queue."""
        return self.scanned >= MAX_LETTERS

    def _add(self, found: DeadLetterMessage) -> None:
        self.scanned += 1
        id_, origin = found.intent_id, found.origin
        if id_:
            self.ids[id_] = self.ids.get(id_, False) or origin == Origin.DRAIN
        elif origin == Origin.SQS:
            self.malformed_ids.append(found.id or "")
        else:
            self.unreadable += origin == Origin.DRAIN
            self.foreign += origin == Origin.OTHER
