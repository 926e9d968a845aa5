"""The preview of a replay: what it would send, and what the drain would do with it. Nothing is sent."""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from penstock.deadletters.message import DeadLetterMessage
from penstock.deadletters.replay.changes import FieldChange, changes
from penstock.deadletters.replay.plan import Plan, ReplayOutcome, Skipped, build_message
from penstock.deadletters.scan.scan import scan
from penstock.expressions.exact_json import ExactJsonError
from penstock.intents.envelope import read_head
from penstock.queue import Queue
from penstock.queue.chunks import chunked

if TYPE_CHECKING:
    from penstock.consumer.dry_run import DryRunResult

DRY_RUN_BATCH: Final = 100
"""Messages per dry run. They are few, so that the dry run holds its locks only for a moment."""

SUCCESSFUL: Final = frozenset({"replayed", "left", "applied", "stale", "duplicate"})
"""The values of `Previewed.would` that are no failure."""


@dataclass(frozen=True, slots=True)
class Previewed:
    """One dead letter and what a replay would do with it.

    Attributes:
        message_id: SQS's id of the dead letter.
        id: the intent's id, if there is one.
        kind: the intent's kind, if there is one.
        would: `replayed`, `not-sent` or `left`; with a dry run its outcome in the drain instead of `replayed`:
            `applied`, `stale`, `duplicate`, `expired`, `dead`, `waits` or `unknown`.
        why: the fault, that it has expired, or why it would not be sent, without a value of the intent.
        changes: what the edit of the plan changes in it, with values of the intent.
    """

    message_id: str
    id: str | None
    kind: str | None
    would: str
    why: str | None = None
    changes: Sequence[FieldChange] = field(default=(), repr=False)

    @property
    def is_skipped(self) -> bool:
        """Whether it would not be sent."""
        return self.would in {ReplayOutcome.NOT_SENT, ReplayOutcome.LEFT}


DryRun = Callable[[Sequence[str]], "list[DryRunResult]"]


def preview(
    dead: Queue,
    plan: Plan,
    dry_run: DryRun | None,
    *,
    on_page: Callable[[int], None] = lambda _: None,
    on_skip: Callable[[DeadLetterMessage], None] = lambda _: None,
) -> Generator[Previewed]:
    """Yield what a replay would do with each selected dead letter, without sending anything.

    Args:
        dead: the dead-letter queue.
        plan: which messages would be sent, and how.
        dry_run: returns what the drain would do with bodies; None to preview only what would be sent.
        on_page: called for each page with its number of messages, selected or not.
        on_skip: called for each message that was read and is not selected.

    Raises:
        penstock.consumer.faults.tree.Fault: the dry run had no result.
        penstock.queue.QueueError: the queue cannot be read.
    """
    left = plan.limit
    # Only messages that would be sent count towards the limit, as in a replay.
    limit = plan.limit if plan.edit is None and plan.max_replays is None else None
    with closing(scan(dead, plan.selector, limit=limit, on_page=on_page, on_skip=on_skip)) as found:
        for batch in chunked(found, DRY_RUN_BATCH):
            for one in _preview_batch(batch, plan, dry_run, left):
                left = left if left is None or one.is_skipped else left - 1
                yield one
            if left == 0:
                return


def _preview_batch(
    batch: Sequence[DeadLetterMessage], plan: Plan, dry_run: DryRun | None, left: int | None
) -> Iterator[Previewed]:
    to_send: list[tuple[DeadLetterMessage, str]] = []
    for found in batch:
        if len(to_send) == left:
            break
        message = build_message(found, plan, "", fifo=False)
        if isinstance(message, Skipped):
            yield _previewed(found, message.outcome, ": ".join(filter(None, (message.code, message.detail))))
        else:
            to_send.append((found, message.body))
    if not dry_run:
        yield from (_previewed(found, ReplayOutcome.REPLAYED, _expiry(body), sent=body) for found, body in to_send)
    elif to_send:
        results = dry_run([body for _, body in to_send])
        for (found, body), result in zip(to_send, results, strict=True):
            why = str(result.fault) if result.fault else _expiry(body)
            yield _previewed(found, result.outcome, why, sent=body)


def _expiry(body: str) -> str | None:
    """Return since when the intent has been expired, so that the drain would not write it; None if it has not."""
    head = read_head(body)
    expiry = head and (head.expirytime if head.expirytime and head.expirytime <= datetime.now(UTC) else None)
    return f"expired at {expiry.isoformat(timespec='seconds')}" if expiry else None


def _previewed(found: DeadLetterMessage, would: str, why: str | None = None, sent: str | None = None) -> Previewed:
    message = found.message
    changed: Sequence[FieldChange] = ()
    if sent is not None and sent != message.body:
        # A sender may nest a body as deep as it likes: such a change is sent and not shown.
        with suppress(ExactJsonError):
            changed = changes(message.body, sent)
    return Previewed(message.message_id, found.id, found.kind, str(would), why, changed)
