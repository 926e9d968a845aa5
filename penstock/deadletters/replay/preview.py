"""What a replay would send, and what would become of it, with nothing sent."""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from penstock.deadletters.message import DeadLetterMessage
from penstock.deadletters.replay.plan import Plan, ReplayOutcome, Skipped, written
from penstock.deadletters.scan.scan import look
from penstock.queue import Queue
from penstock.queue.chunks import chunked

if TYPE_CHECKING:
    from penstock.consumer.dry_run import DryRunResult

TRIED_AT_ONCE: Final = 100
"""As few as hold the locks of a trial for a moment only."""

NO_FAILURE: Final = frozenset({"replayed", "left", "applied", "stale", "duplicate"})
"""What a replay that fails nowhere ends with."""


@dataclass(frozen=True, slots=True)
class Previewed:
    """One dead letter and what a replay would do with it.

    Attributes:
        message_id: SQS's id of the dead letter.
        id: the intent's id, where there is one.
        kind: the intent's kind, where there is one.
        would: `replayed`, `not-sent` or `left`; after a trial what the drain would make of it: `applied`, `stale`,
            `duplicate`, `dead`, `waits` or `unknown`.
        why: the fault, or why it would not be sent, without a value of the intent.
    """

    message_id: str
    id: str | None
    kind: str | None
    would: str
    why: str | None = None

    @property
    def is_withheld(self) -> bool:
        """Whether it would not even be sent."""
        return self.would in {ReplayOutcome.NOT_SENT, ReplayOutcome.LEFT}


Trial = Callable[[Sequence[str]], "list[DryRunResult]"]


def preview(
    dead: Queue, plan: Plan, try_out: Trial | None, *, on_page: Callable[[int], None] = lambda _: None
) -> Generator[Previewed]:
    """Go through a replay without sending anything.

    Args:
        dead: the dead-letter queue.
        plan: what would be sent, and how.
        try_out: finds out what would become of bodies; None for what would be sent alone.
        on_page: called for each page with how many messages it has, selected or not.

    Raises:
        penstock.consumer.faults.tree.Fault: the trial found nothing out.
        penstock.queue.QueueError: the queue cannot be read.
    """
    left = plan.limit
    # Only what is sent counts towards the limit, as in a replay.
    limit = plan.limit if plan.edit is None and plan.max_replays is None else None
    with closing(look(dead, plan.selector, limit=limit, on_page=on_page)) as found:
        for some in chunked(found, TRIED_AT_ONCE):
            for one in _previewed(some, plan, try_out, left):
                left = left if left is None or one.is_withheld else left - 1
                yield one
            if left == 0:
                return


def _previewed(
    some: Sequence[DeadLetterMessage], plan: Plan, try_out: Trial | None, left: int | None
) -> Iterator[Previewed]:
    sent: list[tuple[DeadLetterMessage, str]] = []
    for found in some:
        if len(sent) == left:
            break
        message = written(found, plan, "", fifo=False)
        if isinstance(message, Skipped):
            yield _told(found, message.outcome, ": ".join(filter(None, (message.code, message.detail))))
        else:
            sent.append((found, message.body))
    verdicts = try_out([body for _, body in sent]) if try_out and sent else [None] * len(sent)
    for (found, _), verdict in zip(sent, verdicts, strict=True):
        yield _judged(found, verdict)


def _judged(found: DeadLetterMessage, verdict: "DryRunResult | None") -> Previewed:
    if verdict is None:
        return _told(found, ReplayOutcome.REPLAYED)
    return _told(found, verdict.would, str(verdict.fault) if verdict.fault else None)


def _told(found: DeadLetterMessage, would: str, why: str | None = None) -> Previewed:
    return Previewed(found.message.message_id, found.id, found.kind, str(would), why)
