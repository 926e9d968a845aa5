"""Sending dead letters back to the queue that they came from.

For each page of up to ten: send, and only what SQS has acknowledged is deleted from the dead-letter queue. A run
that is cut off between the two leaves a message on both queues. That is safe, because the ledger lets an intent
take effect once; so is running again. What is on neither queue was deleted after its sending was acknowledged.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final
from uuid import uuid4

from penstock.consumer.letter import unstamp
from penstock.deadletters.found import Found
from penstock.deadletters.leases import PAGE_SECONDS, Leases, scan_seconds
from penstock.deadletters.selector import Everything, Selector
from penstock.queue import Outgoing, Queue, Received

_HOPELESS: Final = 30
LEASE_LOST: Final = "LeaseLost"


class Outcome(StrEnum):
    """What became of one dead letter in a run."""

    REPLAYED = "replayed"
    """On the main queue, and no longer a dead letter."""
    NOT_SENT = "not-sent"
    """Still a dead letter: the main queue refused it."""
    NOT_DELETED = "not-deleted"
    """On the main queue, but a dead letter as well: its deletion was refused or its lease was lost."""
    LEFT = "left"
    """Still a dead letter: its intent was replayed earlier in this run. It is a copy, or it has come back."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """One dead letter and what became of it.

    Attributes:
        message_id: SQS's id of the dead letter.
        id: the intent's id, where there is one.
        kind: the intent's kind, where there is one.
        outcome: what became of it.
        code: why not, in SQS's word, or `LeaseLost`.
    """

    message_id: str
    id: str | None
    kind: str | None
    outcome: Outcome
    code: str | None = None


@dataclass(frozen=True, slots=True)
class Summary:
    """What a run did.

    Attributes:
        seen: how many dead letters were looked at, selected or not.
        counts: how many dead letters had each outcome.
        missing: the ids asked for that were not found.
        stopped: SQS's code, where the run was given up because the main queue takes nothing any more.
    """

    seen: int
    counts: Mapping[Outcome, int]
    missing: frozenset[str]
    stopped: str | None

    @property
    def failed(self) -> int:
        """How many were meant and are still dead letters, or are on both queues."""
        return self.counts.get(Outcome.NOT_SENT, 0) + self.counts.get(Outcome.NOT_DELETED, 0)


def replay(
    dead: Queue,
    main: Queue,
    selector: Selector,
    *,
    on_result: Callable[[Replayed], None] = lambda _: None,
    clock: Callable[[], float] = time.time,
) -> Summary:
    """Send the selected dead letters to the main queue with the sender's own attributes and group.

    A message that cannot be sent or deleted never stops the others; only a main queue that refuses thirty in
    a row does. What was not replayed is given back at once. An intent is sent once in a run: a second
    dead letter of it is left, so that a run ends even where the drain sets messages aside again meanwhile.

    Args:
        dead: the dead-letter queue.
        main: the queue that the drain reads.
        selector: `Everything()` or `Ids.of(...)`.
        on_result: called for each selected dead letter, after its page is done.
        clock: the time in seconds, to notice leases that have run out. A monotonic clock would not do: it stands
            still while a laptop sleeps.

    Raises:
        penstock.queue.QueueError: the dead-letter queue cannot be read.
    """
    # By id, all that is looked through is held; otherwise just the page and what could not be sent.
    holds_all = not isinstance(selector, Everything)
    seconds = scan_seconds(dead.depth().total) if holds_all else PAGE_SECONDS
    run = _Run(dead, main, selector, on_result)
    with Leases(dead, seconds, clock) as leases:
        for page in leases.pages():
            run.take(page, leases)
            if run.refused_in_a_row >= _HOPELESS:
                break
    return run.summary()


@dataclass(slots=True)
class _Run:
    """A replay under way."""

    dead: Queue
    main: Queue
    selector: Selector
    on_result: Callable[[Replayed], None]
    seen: int = 0
    counts: Counter[Outcome] = field(default_factory=Counter)
    named: set[str] = field(default_factory=set)
    begun: set[bytes] = field(default_factory=set)
    refused_in_a_row: int = 0
    last_code: str | None = None

    def take(self, page: list[Received], leases: Leases) -> None:
        """Replay what is selected of a page."""
        self.seen += len(page)
        fresh: list[Found] = []
        for found in map(Found.of, page):
            if not self.selector.takes(found):
                continue
            self.named |= self.selector.names(found)
            if found.identity in self.begun:
                self._tell(found, Outcome.LEFT)
            else:
                self.begun.add(found.identity)
                fresh.append(found)
        self._delete(self._send(fresh), leases)

    def summary(self) -> Summary:
        """Sum up."""
        stopped = self.last_code if self.refused_in_a_row >= _HOPELESS else None
        return Summary(self.seen, dict(self.counts), self.selector.asked - self.named, stopped)

    def _send(self, chosen: list[Found]) -> list[Found]:
        """Send, and return those that SQS acknowledged."""
        messages = [_as_sent(found.message, fifo=self.main.fifo) for found in chosen]
        refused = self.main.send(messages) if chosen else {}
        for index, refusal in refused.items():
            self.last_code = refusal.code
            self._tell(chosen[index], Outcome.NOT_SENT, refusal.code)
        sent = [found for index, found in enumerate(chosen) if index not in refused]
        self.refused_in_a_row = 0 if sent else self.refused_in_a_row + len(refused)
        return sent

    def _delete(self, sent: list[Found], leases: Leases) -> None:
        """Delete what was sent, unless our leases ran out: then it may be another receiver's by now."""
        if leases.have_lapsed:
            for found in sent:
                self._tell(found, Outcome.NOT_DELETED, LEASE_LOST)
            return
        refused = self.dead.delete([found.message.receipt_handle for found in sent]) if sent else {}
        leases.forget(found.message for index, found in enumerate(sent) if index not in refused)
        for index, found in enumerate(sent):
            refusal = refused.get(index)
            outcome = Outcome.NOT_DELETED if refusal else Outcome.REPLAYED
            self._tell(found, outcome, refusal.code if refusal else None)

    def _tell(self, found: Found, outcome: Outcome, code: str | None = None) -> None:
        self.counts[outcome] += 1
        self.on_result(Replayed(found.message.message_id, found.id, found.kind, outcome, code))


def _as_sent(message: Received, *, fifo: bool) -> Outgoing:
    """Write the message as its sender did: without the letter, with its own attributes and group.

    A FIFO queue would take it for the message that it was before, if it is replayed within minutes.
    """
    deduplication_id = str(uuid4()) if fifo else None
    return Outgoing(message.body, unstamp(message.attributes), message.group, deduplication_id)
