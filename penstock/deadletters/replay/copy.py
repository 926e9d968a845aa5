"""Copies of dead letters on another queue. The dead letters stay on theirs.

A copy has the body of its dead letter, so that it is the same intent with the same id and receipt, and all of its
attributes, so that the other dead-letter queue has the fault, too. SQS gives it a new message id.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from uuid import uuid4

from penstock.deadletters.message import DeadLetterMessage
from penstock.deadletters.replay.refusals import RefusalStreak
from penstock.deadletters.scan.leases import PAGE_LIMIT
from penstock.deadletters.scan.scan import scan
from penstock.deadletters.selector import Selector
from penstock.intents.reference import may_refer, read_reference
from penstock.queue import Outgoing, Queue
from penstock.queue.chunks import chunked
from penstock.queue.rate_limiter import RateLimiter

PAYLOAD_IN_BUCKET: Final = "PayloadInBucket"
NO_GROUP: Final = "NoGroup"
_WHY: Final = {
    PAYLOAD_IN_BUCKET: "the message refers to the bucket of its own stage, and another drain does not read that",
    NO_GROUP: "a FIFO queue takes no message without a group",
}


class CopyOutcome(StrEnum):
    """The outcome of one dead letter."""

    COPIED = "copied"
    """On the other queue as well."""
    NOT_COPIED = "not-copied"
    """Not on the other queue."""


@dataclass(frozen=True, slots=True)
class Copied:
    """One dead letter and its outcome.

    Attributes:
        message_id: SQS's id of the dead letter.
        id: the intent's id, if there is one.
        kind: the intent's kind, if there is one.
        outcome: what happened.
        code: why it was not copied: SQS's error code, `PayloadInBucket` or `NoGroup`.
        detail: more about the reason.
    """

    message_id: str
    id: str | None
    kind: str | None
    outcome: CopyOutcome
    code: str | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class CopySummary:
    """The result of a run.

    Attributes:
        seen: how many dead letters were scanned, selected or not.
        counts: how many dead letters had each outcome.
        missing: the ids in the selector that were not found.
        stopped: SQS's error code, if the run ended early because the other queue refuses every message.
    """

    seen: int
    counts: Mapping[CopyOutcome, int]
    missing: frozenset[str]
    stopped: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyPlan:
    """What to copy.

    Attributes:
        selector: which dead letters.
        limit: the maximum number; None for no limit.
        rate: the maximum rate in messages per second; None for no maximum.
        dry_run: whether nothing is sent, and the outcomes are those that a run would have.
    """

    selector: Selector
    limit: int | None = None
    rate: float | None = None
    dry_run: bool = False


def copy_letters(
    dead: Queue,
    target: Queue,
    plan: CopyPlan,
    *,
    on_result: Callable[[Copied], None] = lambda _: None,
    on_page: Callable[[int], None] = lambda _: None,
    on_skip: Callable[[DeadLetterMessage], None] = lambda _: None,
) -> CopySummary:
    """Send copies of the selected dead letters to another queue; thirty refusals in a row end the run.

    Args:
        dead: the dead-letter queue.
        target: the queue to send to.
        plan: which dead letters, and how.
        on_result: called for each selected dead letter.
        on_page: called for each page with its number of messages, selected or not.
        on_skip: called for each message that was read and is not selected.

    Raises:
        ValueError: the rate is not above 0.
        penstock.queue.QueueError: the dead-letter queue cannot be read.
    """
    run = _CopyRun(target, plan, on_result)

    def count_page(messages: int) -> None:
        run.seen += messages
        on_page(messages)

    with closing(scan(dead, plan.selector, limit=plan.limit, on_page=count_page, on_skip=on_skip)) as found:
        for page in chunked(found, run.limiter.page_size(PAGE_LIMIT)):
            run.copy_page(page)
            if run.stopped:
                break
    return run.summary()


class _CopyRun:
    """A run in progress."""

    def __init__(self, target: Queue, plan: CopyPlan, on_result: Callable[[Copied], None]) -> None:
        self.limiter = RateLimiter(None if plan.dry_run else plan.rate)
        self.seen = 0
        self.stopped: str | None = None
        self._target = target
        self._plan = plan
        self._on_result = on_result
        self._counts: Counter[CopyOutcome] = Counter()
        self._found_ids: set[str] = set()
        self._refusals = RefusalStreak()

    def copy_page(self, page: Sequence[DeadLetterMessage]) -> None:
        """Send copies of some dead letters at the rate of the plan, and report each."""
        self._found_ids.update(*map(self._plan.selector.matching_ids, page))
        for found, messages in self._slices(page):
            self.limiter.wait_for(len(messages))
            refused = {} if self._plan.dry_run else self._target.send(messages)
            codes = {index: refusal.code for index, refusal in refused.items()}
            self.stopped = self._refusals.add(codes, len(messages))
            for index, one in enumerate(found):
                self._report(one, codes.get(index))
            if self.stopped:
                return

    def _slices(
        self, page: Sequence[DeadLetterMessage]
    ) -> Iterator[tuple[Sequence[DeadLetterMessage], Sequence[Outgoing]]]:
        """Report what cannot be copied, and yield slices of the rest with their messages."""
        ready: list[tuple[DeadLetterMessage, Outgoing]] = []
        for found in page:
            message = build_copy(found, fifo=self._target.fifo)
            if isinstance(message, str):
                self._report(found, message)
            else:
                ready.append((found, message))
        for some in chunked(ready, max(self.limiter.slice_size(len(ready)), 1)):
            yield [found for found, _ in some], [message for _, message in some]

    def _report(self, found: DeadLetterMessage, code: str | None) -> None:
        outcome = CopyOutcome.NOT_COPIED if code else CopyOutcome.COPIED
        self._counts[outcome] += 1
        message_id = found.message.message_id
        self._on_result(Copied(message_id, found.id, found.kind, outcome, code, _WHY.get(code or "")))

    def summary(self) -> CopySummary:
        """Return the result."""
        complete = self.stopped is None and self._counts.total() != self._plan.limit
        missing = self._plan.selector.ids - self._found_ids if complete else frozenset[str]()
        return CopySummary(self.seen, dict(self._counts), missing, self.stopped)


def build_copy(found: DeadLetterMessage, *, fifo: bool) -> Outgoing | str:
    """Return the copy of a dead letter, or the code of the reason why there is none.

    On a FIFO queue it gets a deduplication id of its own, because SQS would drop a duplicate of the last five
    minutes.
    """
    message = found.message
    if may_refer(message.body) and read_reference(message.body):
        return PAYLOAD_IN_BUCKET
    if fifo and message.group is None:
        return NO_GROUP
    return Outgoing(message.body, message.attributes, message.group, str(uuid4()) if fifo else None)
