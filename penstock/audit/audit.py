"""Law 9 as a report: emitted = applied + stale + dead + pending, and the intents that do not add up.

The dead-letter queue is looked through first, then the main queue is counted, then the ledger is read: what moves
from one to the next in the meantime is found where it went. The main queue is only counted. To look into it would
take messages from the drain, so that what may be waiting there is left undecided until it is empty.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from penstock.audit.dlq_index import Census
from penstock.audit.id_store import IdFile, keep_ids
from penstock.audit.reconcile import NOT_ODD, Discrepancy, QueueState
from penstock.database.ledger import DEAD, PENDING
from penstock.database.ledger_entries import LedgerState, count_outcomes, find_states, list_unsettled
from penstock.database.watchdog import Watchdog
from penstock.deadletters.scan.chunks import in_groups
from penstock.queue import Depth, Queue

_PAGE = 5000
_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class AuditFinding:
    """An intent that does not add up.

    Attributes:
        id: its id, or what stands there in place of one.
        verdict: why.
        outcome: what the ledger says of it; None if it does not know it.
    """

    id: str
    verdict: Discrepancy
    outcome: str | None


@dataclass(slots=True)
class Account:
    """The account.

    Attributes:
        since: how far back the ledger was asked.
        asked: how many ids were given, each counted once; None where none were given.
        counts: intents by outcome: of those asked for, or of all that the ledger has entered since then and those
            dead letters that it does not know. What is lost or forgotten is in none.
        purged: how many of the dead had their dead letters purged.
        waiting: what the main queue holds, approximately.
        letters: what is on the dead-letter queue.
        verdicts: how many intents had each verdict.
    """

    since: datetime
    asked: int | None
    counts: Counter[str]
    waiting: Depth
    letters: Census
    purged: int = 0
    verdicts: Counter[Discrepancy] = field(default_factory=Counter)

    @property
    def pending(self) -> int:
        """How many are pending; where no ids were given, approximately, since the queue counts so."""
        known = self.counts[PENDING]
        return known if self.asked is not None else max(known, self.waiting.total)

    @property
    def emitted(self) -> int:
        """How many were emitted: as many as were asked for, or else as many as anything is known of."""
        if self.asked is not None:
            return self.asked
        settled = sum(count for outcome, count in self.counts.items() if outcome != PENDING)
        return settled + self.pending + self.verdicts[Discrepancy.LOST]

    @property
    def odd(self) -> int:
        """How many do not add up, without those of which that cannot be told."""
        return sum(count for verdict, count in self.verdicts.items() if verdict not in NOT_ODD)


def audit(
    database: Watchdog,
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

    Dead letters are looked at, which counts as one receive of each and leases them meanwhile. Their ids are in
    memory, and some thousands of the ledger's entries at a time, however many there are. Ids that are given are
    kept in a temporary file.

    Args:
        database: the service's database.
        main: the queue that the drain reads.
        dead: the dead-letter queue.
        since: how far back the ledger is asked; where ids are given, all of it is.
        retention: how long the dead-letter queue keeps a message.
        ids: of the intents to account for, such as callers were given; by default all that anything is known of.
        on_finding: called for each intent that does not add up.
        clock: tells the time.

    Raises:
        penstock.queue.QueueError: a queue cannot be read.
        sqlalchemy.exc.SQLAlchemyError: the database refused, or is away.
    """
    # Ids first: a file that turns out to hold something else has nothing leased.
    with keep_ids(ids or ()) as asked:
        began, before = clock(), main.depth()
        letters = Census.take(dead)
        waiting = max(before, main.depth(), key=lambda depth: depth.total)
        scene = QueueState(began, retention, waits=waiting.total > 0, hides=letters.is_partial)
        account = Account(since, None if ids is None else asked.count, Counter(), waiting, letters)
        run = _AuditRun(database, scene, account, on_finding)
        if ids is None:
            run.account_for_all()
        else:
            run.account_for(asked)
    return account


@dataclass(slots=True)
class _AuditRun:
    """An audit under way."""

    database: Watchdog
    scene: QueueState
    result: Account
    on_finding: Callable[[AuditFinding], None]

    def account_for_all(self) -> None:
        """Count what the ledger has entered, and judge what has a dead letter or has not landed."""
        letters = self.result.letters
        with self.database.transaction(_SECONDS) as connection:
            self.result.counts = Counter(count_outcomes(connection, self.result.since))
            for page in in_groups(letters.ids, _PAGE):
                known = find_states(connection, page)
                for id_ in page:
                    self._judge(id_, known.get(id_))
                    self.result.counts[DEAD] += id_ not in known
            for standing in list_unsettled(connection, self.result.since):
                if standing.id not in letters.ids:
                    verdict = self._judge(standing.id, standing)
                    self.result.counts[PENDING] -= verdict == Discrepancy.LOST
        self.result.counts[DEAD] += letters.unread + len(letters.strange)
        for text in letters.strange:
            self._tell(AuditFinding(text, Discrepancy.MOVED, None))

    def account_for(self, asked: IdFile) -> None:
        """Place each of these, and judge it."""
        with self.database.transaction(_SECONDS) as connection:
            for page in asked.pages(_PAGE):
                known = find_states(connection, page)
                for id_ in page:
                    verdict = self._judge(id_, known.get(id_))
                    if verdict not in {Discrepancy.LOST, Discrepancy.FORGOTTEN}:
                        self.result.counts[self._outcome(id_, known.get(id_))] += 1

    def _judge(self, id_: UUID, known: LedgerState | None) -> Discrepancy | None:
        entered = self.result.letters.ids.get(id_)
        letter = entered is not None
        verdict = self.scene.judge(id_, known, letter=letter, entered=bool(entered))
        if verdict:
            self._tell(AuditFinding(str(id_), verdict, known.outcome if known else None))
        self.result.purged += bool(known and known.purged and not letter)
        return verdict

    def _outcome(self, id_: UUID, known: LedgerState | None) -> str:
        if known:
            return known.outcome
        return DEAD if id_ in self.result.letters.ids else PENDING

    def _tell(self, finding: AuditFinding) -> None:
        self.result.verdicts[finding.verdict] += 1
        self.on_finding(finding)
