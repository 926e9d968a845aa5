"""A copy of dead letters that keeps the operation's record up to date."""

from collections import Counter
from collections.abc import Callable

from penstock.database import operations
from penstock.database.operations import Operation
from penstock.deadletters import DeadLetterMessage
from penstock.deadletters.replay.copy import Copied, CopyOutcome, CopyPlan, CopySummary, copy_letters
from penstock.queue import Queue


def run_copy(
    dead: Queue,
    target: Queue,
    plan: CopyPlan,
    operation: Operation,
    *,
    on_result: Callable[[Copied], None] = lambda _: None,
    on_page: Callable[[int], None] = lambda _: None,
    on_skip: Callable[[DeadLetterMessage], None] = lambda _: None,
) -> CopySummary:
    """Send copies of the selected dead letters to another queue; `copy_letters` has the details.

    Args:
        dead: the dead-letter queue.
        target: the queue to send to.
        plan: which dead letters, and how.
        operation: the record, whose counts and outcome are kept up to date.
        on_result: called for each selected dead letter.
        on_page: called for each page with its number of messages, selected or not.
        on_skip: called for each message that was read and is not selected.

    Raises:
        penstock.queue.QueueError: the dead-letter queue cannot be read.
    """
    counts: Counter[str] = Counter()

    def count(one: Copied) -> None:
        counts[one.outcome] += 1
        operation.counts = dict(counts)
        on_result(one)

    summary = copy_letters(dead, target, plan, on_result=count, on_page=on_page, on_skip=on_skip)
    if summary.stopped or summary.counts.get(CopyOutcome.NOT_COPIED):
        operation.outcome = operations.FAILED
    return summary
