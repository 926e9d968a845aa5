"""Whether what the ledger says of one intent, and what is on the queues, go together."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from penstock.database.ledger import DEAD, PENDING
from penstock.database.ledger_entries import LedgerState
from penstock.database.retention import KEPT_DAYS
from penstock.intents.ids import time_of

FRESH: Final = timedelta(minutes=5)
"""What is younger may be in no place for a moment: the drain enters what is dead before it sets the letter aside;
if it is cut off in between, SQS delivers again after the visibility timeout; SQS counts with a minute's delay."""


class Discrepancy(StrEnum):
    """Why an intent does not add up, or cannot be told yet."""

    GONE = "gone"
    """Dead by the ledger, and no dead letter: somebody took it off the queue."""
    EXPIRED = "expired"
    """Dead by the ledger, for longer than the dead-letter queue keeps anything."""
    COPY = "copy"
    """A dead letter of an intent that took effect: it can be purged."""
    MOVED = "moved"
    """A dead letter that the ledger does not know as dead: SQS moved it there, received too often."""
    LOST = "lost"
    """Pending, or unknown to the ledger, while the queues are empty."""
    FORGOTTEN = "forgotten"
    """Unknown to the ledger, and made before what it remembers. Nothing is wrong with that."""
    UNDECIDED = "undecided"
    """Not where it should be, but it may be on its way, on a queue or in somebody's lease: audit again later."""


NOT_ODD: Final = frozenset({Discrepancy.FORGOTTEN, Discrepancy.UNDECIDED})
"""Verdicts that name nothing wrong."""


@dataclass(frozen=True, slots=True)
class QueueState:
    """What the queues looked like.

    Attributes:
        began: when the look at the dead letters began.
        retention: how long the dead-letter queue keeps a message.
        waits: whether anything is on the main queue.
        hides: whether there may be dead letters that were not seen.
    """

    began: datetime
    retention: timedelta
    waits: bool
    hides: bool

    def judge(self, id_: UUID, known: LedgerState | None, *, letter: bool, entered: bool) -> Discrepancy | None:
        """Return why an intent does not add up; None if it does.

        Args:
            id_: the intent's id.
            known: what the ledger says.
            letter: whether it has a dead letter.
            entered: whether the drain set that letter aside.
        """
        if known is None:
            return self._of_unknown(id_, letter=letter, entered=entered)
        if known.outcome == DEAD:
            return None if letter or known.purged else self._of_dead(known)
        if known.outcome == PENDING:
            return Discrepancy.MOVED if letter else self._of_pending(known.settled_at)
        # One that landed since then has left the dead-letter queue since then.
        return Discrepancy.COPY if letter and known.settled_at < self.began else None

    def _of_dead(self, known: LedgerState) -> Discrepancy:
        if known.settled_at < self.began - self.retention:
            return Discrepancy.EXPIRED
        on_its_way = self.waits or self.hides or self._is_fresh(known.settled_at)
        return Discrepancy.UNDECIDED if on_its_way else Discrepancy.GONE

    def _of_pending(self, since: datetime | None) -> Discrepancy | None:
        if self.waits:
            return None
        return Discrepancy.UNDECIDED if self.hides or self._is_fresh(since) else Discrepancy.LOST

    def _of_unknown(self, id_: UUID, *, letter: bool, entered: bool) -> Discrepancy | None:
        if letter:
            # The drain enters nothing in the ledger of what it cannot read; its letter says why.
            return None if entered else Discrepancy.MOVED
        made_at = time_of(id_)
        if made_at and made_at < self.began - timedelta(days=KEPT_DAYS):
            return Discrepancy.FORGOTTEN
        return self._of_pending(made_at)

    def _is_fresh(self, moment: datetime | None) -> bool:
        return moment is not None and moment > self.began - FRESH
