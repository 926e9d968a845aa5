"""Sending dead letters back to the queue that they came from.

For each page: send, and only what SQS has acknowledged is deleted from the dead-letter queue. A run that is cut
off between the two leaves messages on both queues. That is safe, because the ledger lets an intent take effect
once; so is running again. What is on neither queue was deleted after its sending was acknowledged.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from hashlib import sha256
from typing import Final
from uuid import UUID, uuid4

from penstock.deadletters.message import DeadLetterMessage
from penstock.deadletters.replay.plan import Plan, ReplayOutcome, Skipped, written
from penstock.deadletters.replay.rate_limiter import Pace
from penstock.deadletters.replay_marker import REPLAY_ATTRIBUTE
from penstock.deadletters.scan.leases import LEASE_LOST, PAGE_LIMIT, PAGE_SECONDS, Leases, scan_seconds
from penstock.queue import Outgoing, Queue, Received, Refusal
from penstock.queue.chunks import chunked

_HOPELESS: Final = 30
REPLAYED_ALREADY: Final = "ReplayedAlready"


@dataclass(frozen=True, slots=True)
class Replayed:
    """One dead letter and what became of it.

    Attributes:
        message_id: SQS's id of the dead letter.
        id: the intent's id, where there is one.
        intent_id: the same as the ledger knows it, where it is a UUID.
        kind: the intent's kind, where there is one.
        outcome: what became of it.
        code: why not: SQS's word, or `LeaseLost`, `ReplayedAlready`, `ReplayedTooOften`, `NoRoomForStamp`,
            `EditRefused`.
        detail: more about that, without a value of the intent.
    """

    message_id: str
    id: str | None
    intent_id: UUID | None
    kind: str | None
    outcome: ReplayOutcome
    code: str | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Summary:
    """What a run did.

    Attributes:
        seen: how many dead letters were looked at, selected or not.
        counts: how many dead letters had each outcome.
        missing: the ids asked for that were not found.
        stopped: why it was given up: SQS's code, where the main queue takes nothing any more or the dead-letter
            queue lets nothing go, or `OutOfTime`.
    """

    seen: int
    counts: Mapping[ReplayOutcome, int]
    missing: frozenset[str]
    stopped: str | None

    @property
    def failed(self) -> int:
        """How many were meant and are still dead letters, or are on both queues."""
        return self.counts.get(ReplayOutcome.NOT_SENT, 0) + self.counts.get(ReplayOutcome.NOT_DELETED, 0)


def replay(
    dead: Queue,
    main: Queue,
    plan: Plan,
    *,
    on_result: Callable[[Replayed], None] = lambda _: None,
    on_page: Callable[[int], None] = lambda _: None,
    in_time: Callable[[], bool] = lambda: True,
    clock: Callable[[], float] = time.time,
) -> Summary:
    """Send the selected dead letters to the main queue with the sender's own attributes and group.

    A message that cannot be sent or deleted never stops the others; only a queue that refuses thirty in a row
    does. What was not replayed is given back at once. Each message is stamped with the run, so that what the
    drain sets aside again meanwhile is left, and the run ends.

    Args:
        dead: the dead-letter queue.
        main: the queue that the drain reads.
        plan: what is to be sent, and how.
        on_result: called for each selected dead letter, after it is done.
        on_page: called for each page with how many messages it has, selected or not.
        in_time: asked after each page, at a rate after each half second's worth; where it says no, the run ends.
        clock: the time in seconds, to notice leases that have run out. A monotonic clock would not do: it stands
            still while a laptop sleeps.

    Raises:
        ValueError: the rate is not above 0.
        penstock.queue.QueueError: the dead-letter queue cannot be read.
    """
    run = _ReplayRun(dead, main, plan, on_result, in_time)
    with run.leases(clock) as leases:
        for page in leases.pages() if plan.limit != 0 else ():
            on_page(len(page))
            run.take(page, leases)
            if run.is_over():
                break
    return run.summary()


class _ReplayRun:
    """A replay under way."""

    def __init__(
        self,
        dead: Queue,
        main: Queue,
        plan: Plan,
        on_result: Callable[[Replayed], None],
        in_time: Callable[[], bool],
    ) -> None:
        self._dead = dead
        self._main = main
        self._plan = plan
        self._on_result = on_result
        self._in_time = in_time
        self._pace = Pace(plan.rate)
        self._id = str(uuid4())
        self._unstamped: set[bytes] = set()
        self._seen = 0
        self._left = plan.limit
        self._counts: Counter[ReplayOutcome] = Counter()
        self._named: set[str] = set()
        self._refused_in_a_row = 0
        self._kept_in_a_row = 0
        self._stopped: str | None = None

    def leases(self, clock: Callable[[], float]) -> Leases:
        """Lease what is looked through: if any of it may be left, until the end, otherwise just page by page."""
        holds_all = not self._plan.selector.is_everything or self._plan.max_replays is not None
        seconds = scan_seconds(self._dead.depth().total) if holds_all else PAGE_SECONDS
        limit = PAGE_LIMIT if self._left is None or holds_all else min(PAGE_LIMIT, self._left)
        return Leases(self._dead, seconds, page_limit=self._pace.page_of(max(limit, 1)), clock=clock)

    def take(self, page: list[Received], leases: Leases) -> None:
        """Replay what is selected of a page."""
        self._seen += len(page)
        meant = [found for found in map(DeadLetterMessage.of, page) if self._plan.selector.takes(found)]
        self._named.update(*map(self._plan.selector.names, meant))
        ready = list(self._ready(meant))
        left = len(ready)
        for some in chunked(ready, self._pace.slice_of(left)):
            left -= len(some)
            self._pace.wait_for(len(some))
            self._delete(self._send(some), leases)
            if self._has_stopped(more=left > 0):
                return

    def is_over(self) -> bool:
        """Tell whether nothing more is to be sent."""
        return self._left == 0 or self._has_stopped(more=True)

    def _has_stopped(self, *, more: bool) -> bool:
        """Tell whether it was given up; with more to send, it is once there is no time for that."""
        if more and not self._stopped and not self._in_time():
            self._stopped = "OutOfTime"
        return self._stopped is not None

    def summary(self) -> Summary:
        """Sum up."""
        missing = self._plan.selector.ids - self._named if self._left != 0 else frozenset()
        return Summary(self._seen, dict(self._counts), missing, self._stopped)

    def _ready(self, meant: list[DeadLetterMessage]) -> Iterator[tuple[DeadLetterMessage, Outgoing]]:
        """Write each as it is to be sent; tell of those that are not to be."""
        for found in meant:
            if self._left == 0:
                return
            message = self._written(found)
            if message is not None:
                self._left = None if self._left is None else self._left - 1
                yield found, message

    def _written(self, found: DeadLetterMessage) -> Outgoing | None:
        if self._came_back(found):
            self._tell(found, ReplayOutcome.LEFT, REPLAYED_ALREADY)
            return None
        message = written(found, self._plan, self._id, fifo=self._main.fifo)
        if isinstance(message, Skipped):
            self._tell(found, message.outcome, message.code, message.detail)
            return None
        if REPLAY_ATTRIBUTE not in message.attributes:
            self._unstamped.add(_identity(found))
        return message

    def _came_back(self, found: DeadLetterMessage) -> bool:
        """Tell whether the drain has set it aside again since this run began."""
        if found.stamp:
            return found.stamp.run == self._id
        return bool(self._unstamped) and _identity(found) in self._unstamped

    def _send(self, ready: Sequence[tuple[DeadLetterMessage, Outgoing]]) -> list[DeadLetterMessage]:
        """Send, and return those that SQS acknowledged."""
        refused = self._main.send([message for _, message in ready])
        for index, refusal in refused.items():
            self._tell(ready[index][0], ReplayOutcome.NOT_SENT, refusal.code)
        sent = [found for index, (found, _) in enumerate(ready) if index not in refused]
        self._judge(refused, any_sent=bool(sent))
        return sent

    def _judge(self, refused: Mapping[int, Refusal], *, any_sent: bool) -> None:
        """Give up on a main queue that takes nothing."""
        self._refused_in_a_row = 0 if any_sent else self._refused_in_a_row + len(refused)
        if self._refused_in_a_row >= _HOPELESS:
            self._stopped = refused[max(refused)].code

    def _delete(self, sent: list[DeadLetterMessage], leases: Leases) -> None:
        """Delete what was sent, and tell what became of it."""
        why = leases.delete([found.message for found in sent])
        if LEASE_LOST not in why.values():
            self._judge_deletes(why, any_deleted=len(why) < len(sent))
        # What is done is told of all, even if the telling of one fails or is interrupted.
        with ExitStack() as telling:
            for index, found in reversed(list(enumerate(sent))):
                outcome = ReplayOutcome.NOT_DELETED if index in why else ReplayOutcome.REPLAYED
                telling.callback(self._tell, found, outcome, why.get(index))

    def _judge_deletes(self, why: Mapping[int, str], *, any_deleted: bool) -> None:
        """Give up on a dead-letter queue that lets nothing go: everything would be on both queues."""
        self._kept_in_a_row = 0 if any_deleted else self._kept_in_a_row + len(why)
        if self._kept_in_a_row >= _HOPELESS:
            self._stopped = why[max(why)]

    def _tell(
        self, found: DeadLetterMessage, outcome: ReplayOutcome, code: str | None = None, detail: str | None = None
    ) -> None:
        self._counts[outcome] += 1
        self._on_result(
            Replayed(found.message.message_id, found.id, found.intent_id, found.kind, outcome, code, detail)
        )


def _identity(found: DeadLetterMessage) -> bytes:
    """Return what the copies of a message have in common."""
    return sha256((found.id or found.message.body).encode(errors="replace")).digest()[:16]
