"""Law 9 as a report: emitted = applied + stale + dead + expired + pending, and the intents that do not add up.

The audit scans the dead-letter queue first, then counts the main queue, then reads the ledger: an intent that
moves on meanwhile is found in its new place. The main queue is only counted, because receiving from it would take
messages from the drain. Therefore an intent that may be on the main queue stays undecided until that queue is
empty. While anything is undecided, the audit does not say that everything adds up.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from penstock.audit.dlq_index import DlqIndex
from penstock.audit.id_store import IdStore, store_ids
from penstock.audit.ledger_reader import OpenLedger
from penstock.audit.reconcile import BENIGN, Discrepancy, QueueState
from penstock.audit.verdict import OpenQuestion, Verdict, open_questions
from penstock.database.ledger import DEAD, PENDING
from penstock.database.ledger_entries import LedgerState
from penstock.queue import Depth, Queue
from penstock.queue.chunks import chunked

_PAGE = 5000


@dataclass(frozen=True, slots=True)
class AuditFinding:
    """An intent that does not add up.

    Attributes:
        id: its id, or the text in place of an id.
        discrepancy: why it does not add up.
        outcome: its outcome in the ledger; None if the ledger does not know it.
    """

    id: str
    discrepancy: Discrepancy
    outcome: str | None


@dataclass(slots=True)
class Account:
    """The result of an audit.

    Attributes:
        since: the earliest time of the ledger entries that were read.
        given: how many ids were given, each counted once; None if none were given.
        counts: the intents by outcome: those whose ids were given, or else all that were entered in the ledger
            since `since` and the dead letters that the ledger does not know. Lost and forgotten intents are not
            counted.
        waiting: the depth of the main queue, approximately.
        dlq: what is on the dead-letter queue.
        purged: how many dead intents had their dead letters purged.
        held: how many of the pending intents wait for the release of their kind.
        discrepancies: how many intents had each discrepancy.
        settles_at: when the youngest of those is no longer young that are undecided; None if there is none.
    """

    since: datetime
    given: int | None
    counts: Counter[str]
    waiting: Depth
    dlq: DlqIndex
    purged: int = 0
    held: int = 0
    discrepancies: Counter[Discrepancy] = field(default_factory=Counter)
    settles_at: datetime | None = None

    @property
    def pending(self) -> int:
        """How many are pending; approximate if no ids were given, because SQS counts approximately."""
        known = self.counts[PENDING]
        # Those that are held are not on the queue.
        return known if self.given is not None else self.held + max(known - self.held, self.waiting.total)

    @property
    def emitted(self) -> int:
        """How many were emitted: the number of ids given, or else of all intents that are known from anywhere."""
        if self.given is not None:
            return self.given
        settled = sum(count for outcome, count in self.counts.items() if outcome != PENDING)
        return settled + self.pending + self.discrepancies[Discrepancy.LOST]

    @property
    def unreconciled(self) -> int:
        """How many do not add up, without those for which that is not known yet or not an error."""
        return sum(count for discrepancy, count in self.discrepancies.items() if discrepancy not in BENIGN)

    @property
    def open_questions(self) -> Sequence[OpenQuestion]:
        """What is not decided, and until when."""
        return open_questions(
            waiting=self.waiting.total if self.given is None or self.counts[PENDING] else 0,
            hidden=self.dlq.hidden,
            read_until_limit=self.dlq.scanned if self.dlq.was_cut_off else 0,
            counts=self.discrepancies,
            settles_at=self.settles_at,
        )

    @property
    def verdict(self) -> Verdict:
        """Whether everything adds up. It does not while something is undecided."""
        if self.unreconciled:
            return Verdict.DOES_NOT_ADD_UP
        return Verdict.UNDECIDED if self.open_questions else Verdict.ADDS_UP


def audit(
    open_ledger: OpenLedger,
    main: Queue,
    dead: Queue,
    *,
    since: datetime,
    retention: timedelta,
    ids: Iterable[UUID] | None = None,
    on_finding: Callable[[AuditFinding], None] = lambda _: None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Account:
    """Account for every intent.

    The scan counts as one receive of each dead letter, and leases the dead letters meanwhile. Memory holds their
    ids, and some thousands of ledger entries at a time. Ids that are given are kept in a temporary file.

    Args:
        open_ledger: opens the service's ledger, once the queues have been read.
        main: the queue that the drain reads.
        dead: the dead-letter queue.
        since: the earliest time of the ledger entries to read; all entries are read if ids are given.
        retention: how long the dead-letter queue keeps a message.
        ids: the intents to account for, for example those of receipts; by default all that are known from
            anywhere.
        on_finding: called for each intent that does not add up.
        clock: returns the current time.

    Raises:
        penstock.queue.QueueError: a queue cannot be read.
        Exception: the ledger cannot be read.
    """
    # The ids are read first: if the file holds something else, nothing has been leased yet.
    with store_ids(ids or ()) as given:
        scanned_at, before = clock(), main.depth()
        dlq = DlqIndex.build(dead)
        waiting = max(before, main.depth(), key=lambda depth: depth.total)
        state = QueueState(
            scanned_at, retention, main_has_messages=waiting.total > 0, dlq_is_partial=dlq.is_partial
        )
        account = Account(since, None if ids is None else given.count, Counter(), waiting, dlq)
        run = _AuditRun(open_ledger, state, account, on_finding)
        if ids is None:
            run.account_for_all()
        else:
            run.account_for(given)
    return account


@dataclass(slots=True)
class _AuditRun:
    """An audit in progress."""

    open_ledger: OpenLedger
    state: QueueState
    account: Account
    on_finding: Callable[[AuditFinding], None]

    def account_for_all(self) -> None:
        """Count what the ledger has entered, and reconcile each dead letter and each unsettled intent."""
        dlq, counts = self.account.dlq, self.account.counts
        with self.open_ledger() as ledger:
            counts.update(ledger.count_outcomes(self.account.since))
            for page in chunked(dlq.ids, _PAGE):
                entries = ledger.find_states(page)
                for id_ in page:
                    self._reconcile(id_, entries.get(id_))
                    counts[DEAD] += id_ not in entries
            for entry in ledger.list_unsettled(self.account.since):
                if entry.id not in dlq.ids:
                    discrepancy = self._reconcile(entry.id, entry)
                    counts[PENDING] -= discrepancy == Discrepancy.LOST
        counts[DEAD] += dlq.unreadable + len(dlq.malformed_ids)
        for text in dlq.malformed_ids:
            self._report(AuditFinding(text, Discrepancy.MOVED, None))

    def account_for(self, given: IdStore) -> None:
        """Count and reconcile each of these intents."""
        with self.open_ledger() as ledger:
            for page in given.pages(_PAGE):
                entries = ledger.find_states(page)
                for id_ in page:
                    discrepancy = self._reconcile(id_, entries.get(id_))
                    if discrepancy not in {Discrepancy.LOST, Discrepancy.FORGOTTEN}:
                        self.account.counts[self._outcome(id_, entries.get(id_))] += 1

    def _reconcile(self, id_: UUID, entry: LedgerState | None) -> Discrepancy | None:
        by_drain = self.account.dlq.ids.get(id_)
        has_letter = by_drain is not None
        discrepancy = self.state.reconcile(id_, entry, has_letter=has_letter, by_drain=bool(by_drain))
        if discrepancy:
            self._report(AuditFinding(str(id_), discrepancy, entry.outcome if entry else None))
        if discrepancy == Discrepancy.UNDECIDED and (settles_at := self.state.settles_at(id_, entry)):
            self.account.settles_at = max(settles_at, self.account.settles_at or settles_at)
        self.account.held += bool(entry and entry.held)
        self.account.purged += bool(entry and entry.purged and not has_letter)
        return discrepancy

    def _outcome(self, id_: UUID, entry: LedgerState | None) -> str:
        if entry:
            return entry.outcome
        return DEAD if id_ in self.account.dlq.ids else PENDING

    def _report(self, finding: AuditFinding) -> None:
        self.account.discrepancies[finding.discrepancy] += 1
        self.on_finding(finding)
