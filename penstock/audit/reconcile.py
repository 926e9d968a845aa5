"""The comparison of an intent's ledger entry with what is on the queues."""

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
"""A younger intent may be in no place for a moment. The drain enters a dead intent in the ledger before it sends
the dead letter; if it is cut off in between, SQS delivers again after the visibility timeout. SQS's counts lag by
up to a minute."""


class Discrepancy(StrEnum):
    """Why an intent does not add up, or why that is not known yet."""

    GONE = "gone"
    """Dead in the ledger, without a dead letter: another program or person removed it from the queue."""
    DROPPED = "dropped"
    """Dead in the ledger, for longer than the dead-letter queue keeps a message."""
    COPY = "copy"
    """A dead letter of an intent that took effect: it can be purged."""
    MOVED = "moved"
    """A dead letter that is not dead in the ledger: SQS moved it there after too many receives."""
    LOST = "lost"
    """Pending, or unknown to the ledger, while the queues are empty."""
    FORGOTTEN = "forgotten"
    """Unknown to the ledger, and created before the time that the ledger covers. This is not an error."""
    UNDECIDED = "undecided"
    """Not where it should be, but it may be in transit, on a queue or leased by another consumer: audit again."""


BENIGN: Final = frozenset({Discrepancy.FORGOTTEN, Discrepancy.UNDECIDED})
"""Discrepancies that are not errors."""


@dataclass(frozen=True, slots=True)
class QueueState:
    """The state of the two queues at the time of the audit.

    Attributes:
        scanned_at: when the scan of the dead-letter queue began.
        retention: how long the dead-letter queue keeps a message.
        main_has_messages: whether anything is on the main queue.
        dlq_is_partial: whether there may be dead letters that the scan did not see.
    """

    scanned_at: datetime
    retention: timedelta
    main_has_messages: bool
    dlq_is_partial: bool

    def reconcile(
        self, id_: UUID, entry: LedgerState | None, *, has_letter: bool, by_drain: bool
    ) -> Discrepancy | None:
        """Return why an intent does not add up; None if it does.

        Args:
            id_: the intent's id.
            entry: its entry in the ledger; None if there is none.
            has_letter: whether it has a dead letter.
            by_drain: whether the drain sent that dead letter.
        """
        if entry is None:
            return self._reconcile_unknown(id_, has_letter=has_letter, by_drain=by_drain)
        if entry.outcome == DEAD:
            return None if has_letter or entry.purged else self._reconcile_dead(entry)
        if entry.outcome == PENDING:
            if entry.held:
                return None
            return Discrepancy.MOVED if has_letter else self._reconcile_pending(entry.settled_at)
        # An intent that was written after the scan began has left the dead-letter queue since then.
        return Discrepancy.COPY if has_letter and entry.settled_at < self.scanned_at else None

    def settles_at(self, id_: UUID, entry: LedgerState | None) -> datetime | None:
        """Return when an undecided intent is no longer young; None if it is not young."""
        time = entry.settled_at if entry else time_of(id_)
        return time + FRESH if time and self._is_fresh(time) else None

    def _reconcile_dead(self, entry: LedgerState) -> Discrepancy:
        if entry.settled_at < self.scanned_at - self.retention:
            return Discrepancy.DROPPED
        in_transit = self.main_has_messages or self.dlq_is_partial or self._is_fresh(entry.settled_at)
        return Discrepancy.UNDECIDED if in_transit else Discrepancy.GONE

    def _reconcile_pending(self, since: datetime | None) -> Discrepancy | None:
        if self.main_has_messages:
            return None
        return Discrepancy.UNDECIDED if self.dlq_is_partial or self._is_fresh(since) else Discrepancy.LOST

    def _reconcile_unknown(self, id_: UUID, *, has_letter: bool, by_drain: bool) -> Discrepancy | None:
        if has_letter:
            # The drain makes no ledger entry for a message that it cannot read; its dead letter says why.
            return None if by_drain else Discrepancy.MOVED
        created_at = time_of(id_)
        if created_at and created_at < self.scanned_at - timedelta(days=KEPT_DAYS):
            return Discrepancy.FORGOTTEN
        return self._reconcile_pending(created_at)

    def _is_fresh(self, time: datetime | None) -> bool:
        return time is not None and time > self.scanned_at - FRESH
