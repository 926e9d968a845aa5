"""Replay: dead letters are sent back to the queue that the drain reads.

Each page is sent, and only messages that SQS has acknowledged are deleted from the dead-letter queue. A run that
is cut off in between leaves messages on both queues. That is safe, because the ledger lets an intent take effect
once; for the same reason, running again is safe. A message that is on neither queue was deleted after SQS
acknowledged it.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, TypeAlias
from uuid import UUID, uuid4

from penstock.deadletters.message import DeadLetterMessage
from penstock.deadletters.replay.plan import Plan, ReplayOutcome, Skipped, build_message
from penstock.deadletters.replay.refusals import RefusalStreak
from penstock.deadletters.replay_marker import REPLAY_ATTRIBUTE
from penstock.deadletters.scan.leases import LEASE_LOST, PAGE_LIMIT, PAGE_SECONDS, Leases, scan_seconds
from penstock.deadletters.scan.packs import take_apart
from penstock.deadletters.scan.select import select
from penstock.queue import Outgoing, Queue, Received
from penstock.queue.rate_limiter import RateLimiter

REPLAYED_ALREADY: Final = "ReplayedAlready"
_OUT_OF_TIME: Final = "OutOfTime"

_Ready: TypeAlias = tuple[DeadLetterMessage, Outgoing]
"""A dead letter, and the message to send."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """One dead letter and its outcome.

    Attributes:
        message_id: SQS's id of the dead letter.
        id: the intent's id, if there is one.
        intent_id: the same as in the ledger, if it is a UUID.
        kind: the intent's kind, if there is one.
        outcome: what happened to it.
        code: why it was not replayed: SQS's error code, or `LeaseLost`, `ReplayedAlready`, `ReplayedTooOften`,
            `NoRoomForStamp`, `EditRefused`.
        detail: more about the reason, without a value of the intent.
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
    """The result of a run.

    Attributes:
        seen: how many dead letters were scanned, selected or not.
        counts: how many dead letters had each outcome.
        missing: the ids in the selector that were not found.
        stopped: why the run ended early: SQS's error code, if the main queue refuses every message or the
            dead-letter queue every delete, or `OutOfTime`.
    """

    seen: int
    counts: Mapping[ReplayOutcome, int]
    missing: frozenset[str]
    stopped: str | None

    @property
    def failed(self) -> int:
        """How many were to be replayed and are still dead letters, or are on both queues."""
        return self.counts.get(ReplayOutcome.NOT_SENT, 0) + self.counts.get(ReplayOutcome.NOT_DELETED, 0)


def replay(
    dead: Queue,
    main: Queue,
    plan: Plan,
    *,
    on_result: Callable[[Replayed], None] = lambda _: None,
    on_page: Callable[[int], None] = lambda _: None,
    on_skip: Callable[[DeadLetterMessage], None] = lambda _: None,
    in_time: Callable[[], bool] = lambda: True,
    clock: Callable[[], float] = time.time,
) -> Summary:
    """Send the selected dead letters to the main queue with the sender's own attributes and group.

    A message that cannot be sent or deleted does not stop the others; thirty refusals in a row end the run. Leases
    of messages that were not replayed are given back at once. Each message carries a marker with the id of the
    run. A message that the drain dead-letters again during the run is left, so that the run ends.

    Args:
        dead: the dead-letter queue.
        main: the queue that the drain reads.
        plan: which messages to send, and how.
        on_result: called for each selected dead letter, when its outcome is final.
        on_page: called for each page with its number of messages, selected or not.
        on_skip: called for each message that was read and is not selected.
        in_time: called after each page, and with a rate also after each slice of a tenth of a second; the run ends
            when it returns False.
        clock: returns the time in seconds, to detect expired leases. It must not be a monotonic clock, which may
            stop while the machine sleeps.

    Raises:
        ValueError: the rate is not above 0.
        penstock.queue.QueueError: the dead-letter queue cannot be read.
    """
    run = _ReplayRun(dead, main, plan, on_result, in_time)
    with run.open_leases(clock) as leases:
        # Memory holds one page. It is sent and deleted before the next one is received.
        for leased in leases.pages() if plan.limit != 0 else ():
            page = take_apart(leased, dead, leases)
            on_page(len(page))
            selected = run.select(page, on_skip)
            ready = run.check(selected)
            for messages in run.rate_limited(ready):
                sent = run.send(messages)
                refused = leases.delete([found.message for found in sent])
                run.report(sent, refused)
            if run.is_over():
                break
    return run.summary()


class _ReplayRun:
    """The steps of a replay, and what they count."""

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
        self._id = str(uuid4())
        self._rate_limiter = RateLimiter(plan.rate)
        self._left = plan.limit
        self._seen = 0
        self._counts: Counter[ReplayOutcome] = Counter()
        self._found_ids: set[str] = set()
        # A message without room for a marker is recognized by its identity when it comes back.
        self._sent_without_marker: set[bytes] = set()
        self._refused_sends = RefusalStreak()
        self._refused_deletes = RefusalStreak()
        self._stopped: str | None = None

    def open_leases(self, clock: Callable[[], float]) -> Leases:
        """Lease until the end of the run if messages may be left on the queue, else page by page."""
        may_leave = not self._plan.selector.is_everything or self._plan.max_replays is not None
        seconds = scan_seconds(self._dead.depth().total) if may_leave else PAGE_SECONDS
        limit = PAGE_LIMIT if self._left is None or may_leave else min(PAGE_LIMIT, self._left)
        page_limit = self._rate_limiter.page_size(max(limit, 1))
        return Leases(self._dead, seconds, page_limit=page_limit, clock=clock)

    def select(
        self, page: list[Received], on_skip: Callable[[DeadLetterMessage], None]
    ) -> list[DeadLetterMessage]:
        """Return the dead letters of a page that are selected."""
        self._seen += len(page)
        selected = select(page, self._plan.selector, on_skip)
        self._found_ids.update(*map(self._plan.selector.matching_ids, selected))
        return selected

    def check(self, selected: Sequence[DeadLetterMessage]) -> list[_Ready]:
        """Edit, guard against loops, and report what is skipped; return the messages to send, up to the limit."""
        ready: list[_Ready] = []
        for found in selected:
            if self._left == 0:
                break
            message = self._build(found)
            if isinstance(message, Skipped):
                self._report(found, message.outcome, message.code, message.detail)
                continue
            if REPLAY_ATTRIBUTE not in message.attributes:
                self._sent_without_marker.add(_identity(found))
            self._left = None if self._left is None else self._left - 1
            ready.append((found, message))
        return ready

    def _build(self, found: DeadLetterMessage) -> Outgoing | Skipped:
        if self._came_back(found):
            return Skipped(ReplayOutcome.LEFT, REPLAYED_ALREADY)
        return build_message(found, self._plan, self._id, fifo=self._main.fifo)

    def _came_back(self, found: DeadLetterMessage) -> bool:
        """Return whether this run has sent the message before, and the drain has dead-lettered it again."""
        if found.marker:
            return found.marker.run == self._id
        return bool(self._sent_without_marker) and _identity(found) in self._sent_without_marker

    def rate_limited(self, ready: Sequence[_Ready]) -> Iterator[Sequence[_Ready]]:
        """Yield slices of the messages at the rate of the plan, until the run has to stop."""
        size = max(self._rate_limiter.slice_size(len(ready)), 1)
        for start in range(0, len(ready), size):
            if start > 0 and self._must_stop():
                return
            messages = ready[start : start + size]
            self._rate_limiter.wait_for(len(messages))
            yield messages

    def send(self, messages: Sequence[_Ready]) -> list[DeadLetterMessage]:
        """Send messages; return the dead letters whose messages SQS acknowledged."""
        refused = self._main.send([message for _, message in messages])
        codes = {index: refusal.code for index, refusal in refused.items()}
        for index, code in codes.items():
            self._report(messages[index][0], ReplayOutcome.NOT_SENT, code)
        self._stopped = self._refused_sends.add(codes, len(messages)) or self._stopped
        return [found for index, (found, _) in enumerate(messages) if index not in codes]

    def report(self, sent: Sequence[DeadLetterMessage], refused: Mapping[int, str]) -> None:
        """Report the outcomes of messages that were sent; `refused` has those that were not deleted."""
        if LEASE_LOST not in refused.values():
            # Without the permission to delete, the whole dead-letter queue would be copied to the main queue.
            self._stopped = self._refused_deletes.add(refused, len(sent)) or self._stopped
        # All outcomes are final, so that all are reported, even if a callback fails or is interrupted.
        with ExitStack() as reports:
            for index, found in reversed(list(enumerate(sent))):
                outcome = ReplayOutcome.NOT_DELETED if index in refused else ReplayOutcome.REPLAYED
                reports.callback(self._report, found, outcome, refused.get(index))

    def is_over(self) -> bool:
        """Return whether the limit is reached or the run has to stop."""
        return self._left == 0 or self._must_stop()

    def _must_stop(self) -> bool:
        if not self._stopped and not self._in_time():
            self._stopped = _OUT_OF_TIME
        return self._stopped is not None

    def summary(self) -> Summary:
        """Return the result."""
        missing = self._plan.selector.ids - self._found_ids if self._left != 0 else frozenset()
        return Summary(self._seen, dict(self._counts), missing, self._stopped)

    def _report(
        self, found: DeadLetterMessage, outcome: ReplayOutcome, code: str | None = None, detail: str | None = None
    ) -> None:
        self._counts[outcome] += 1
        self._on_result(
            Replayed(found.message.message_id, found.id, found.intent_id, found.kind, outcome, code, detail)
        )


def _identity(found: DeadLetterMessage) -> bytes:
    """Return what the copies of a message have in common."""
    return sha256((found.id or found.message.body).encode(errors="replace")).digest()[:16]
