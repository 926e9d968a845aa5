"""A replay of the function `dead-letters`, which is recorded in the database."""

from collections import Counter
from typing import Any, Final

from penstock.consumer.resources import Resources
from penstock.database import operations
from penstock.database.operations import Operation, recorded
from penstock.deadletters.function.schemas import ReplayRequest
from penstock.deadletters.replay.plan import Plan, ReplayOutcome
from penstock.deadletters.replay.replay import Replayed, Summary, replay
from penstock.deadletters.selector import Selector
from penstock.queue import Queue

_SECONDS_TO_ANSWER: Final = 15.0
"""Time in reserve: to finish a page takes some seconds, and so does giving leases back."""

_MAX_FAILURES: Final = 100


def run_recorded(resources: Resources, request: ReplayRequest, selector: Selector, context: Any) -> dict[str, Any]:
    """Replay the selected dead letters while there is time; return the answer of the function.

    Args:
        resources: the queues and the database of the function.
        request: how to replay, and for whom.
        selector: which dead letters to replay.
        context: the context object of the invocation.

    Raises:
        penstock.queue.QueueError: the dead-letter queue cannot be read.
        penstock.settings.SettingsError: a setting is missing or invalid.
        penstock.settings.SecretUnavailable: the database's URL cannot be read.
        sqlalchemy.exc.SQLAlchemyError: the replay cannot be recorded; nothing was sent.
    """
    plan = Plan(selector=selector, limit=request.limit, rate=request.rate, max_replays=request.max_replays)
    options = request.model_dump(include={"limit", "rate", "max_replays"}, exclude_none=True)
    actor = f"{request.actor}, through {context.function_name}"
    with recorded(resources.engine, "replay", actor, selector.describe() | options) as operation:
        return _run_replay(resources.dead_letters, resources.queue, plan, operation, context)


def _run_replay(dead: Queue, main: Queue, plan: Plan, operation: Operation, context: Any) -> dict[str, Any]:
    """Replay while there is time, and keep the record up to date."""
    counts: Counter[str] = Counter()
    failures: list[dict[str, Any]] = []
    # At a slow rate, the wait for one message takes longer than a slice.
    needed = _SECONDS_TO_ANSWER + (1 / plan.rate if plan.rate else 0)

    def on_result(one: Replayed) -> None:
        counts[one.outcome] += 1
        operation.counts = dict(counts)
        if one.outcome != ReplayOutcome.REPLAYED and len(failures) < _MAX_FAILURES:
            failures.append({"message_id": one.message_id, "id": one.id, "outcome": one.outcome, "code": one.code})

    def in_time() -> bool:
        left: float = context.get_remaining_time_in_millis() / 1000
        return left > needed

    summary = replay(dead, main, plan, on_result=on_result, in_time=in_time)
    if summary.failed or summary.stopped:
        operation.outcome = operations.FAILED
    return _answer(summary, operation, failures)


def _answer(summary: Summary, operation: Operation, failures: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "operation": str(operation.id),
        "looked_at": summary.seen,
        "counts": {str(outcome): count for outcome, count in summary.counts.items()},
        "failures": failures,
        "missing": sorted(summary.missing),
        "stopped": summary.stopped,
    }
