"""The Lambda function `dead-letters`, for callers who may invoke it but have no permission on the queues.

An event is one request, and the answer is JSON. Neither contains a payload:

    {"action": "stats", "all": true, "by": ["kind", "fault"]}
    {"action": "list", "selector": {"kinds": ["order.placed"], "since": "2026-11-20T10:00:00Z"}, "limit": 20}
    {"action": "replay", "selector": {"fingerprints": ["5f0c1b7a9d3e"]}, "actor": "alice", "rate": 100}
"""

import time
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import Engine

from penstock.consumer.resources import Resources
from penstock.database import operations, writer_engine
from penstock.database.operations import Operation, recorded
from penstock.deadletters.function.schemas import ListRequest, ReplayRequest, Request, StatsRequest, row_of
from penstock.deadletters.replay.plan import Plan, ReplayOutcome
from penstock.deadletters.replay.replay import Replayed, Summary, replay
from penstock.deadletters.scan.scan import scan
from penstock.deadletters.selector import Selector
from penstock.deadletters.stats import count_by
from penstock.queue import Queue
from penstock.settings import Settings

_SECONDS_TO_ANSWER: Final = 15.0
"""Time in reserve: to finish a page takes some seconds, and so does giving leases back."""

_MAX_FAILURES: Final = 100
_REQUEST: TypeAdapter[StatsRequest | ListRequest | ReplayRequest] = TypeAdapter(Request)


class DeadLetters:
    """Answers requests about the dead letters of the service.

    handler = DeadLetters().handler
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        engine: Engine | None = None,
        queue: Queue | None = None,
        dead_letters: Queue | None = None,
    ) -> None:
        """Create the function; settings are read from the environment at the first invocation unless given here.

        Args:
            settings: instead of those of the environment.
            engine: instead of one for the database in the settings.
            queue: the queue that the drain reads, instead of the one in the settings.
            dead_letters: the dead-letter queue, instead of the one in the settings.
        """
        self._resources = Resources(settings, engine, writer_engine, queue=queue, dead_letters=dead_letters)

    def handler(self, event: Mapping[str, Any], context: Any) -> dict[str, Any]:
        """Execute the request in an event.

        Returns:
            For `stats`: `groups`. For `list`: `dead_letters`. For `replay`: `operation`, `counts`, the first
            `failures`, the `missing` ids, and `stopped`, which is `OutOfTime` if messages are left because the
            time was too short: invoke it again. For each: `looked_at`, the number of messages scanned. For an
            invalid request: `error`; nothing was done.

        Raises:
            penstock.queue.QueueError: the dead-letter queue cannot be read.
            penstock.settings.SettingsError: a setting is missing or invalid.
            penstock.settings.SecretUnavailable: the database's URL cannot be read.
            sqlalchemy.exc.SQLAlchemyError: the replay cannot be recorded; nothing was sent.
        """
        try:
            request = _REQUEST.validate_python(event)
            selector = request.to_selector()
            self._check_allowed(selector)
        except ValidationError as error:
            return {"error": _describe(error)}
        except ValueError as error:
            return {"error": str(error)}
        match request:
            case StatsRequest():
                return self._stats(request, selector)
            case ListRequest():
                return self._list(request, selector)
            case ReplayRequest():
                return self._replay(request, selector, context)

    def _check_allowed(self, selector: Selector) -> None:
        """Refuse a condition on payloads, unless it is allowed: one question after the other would read them."""
        if selector.where and not self._resources.settings.payload_conditions:
            raise ValueError(
                "`where` is off, because it tells what is in a payload. PENSTOCK_PAYLOAD_CONDITIONS=true in the "
                "environment of this function allows it"
            )

    def _stats(self, request: StatsRequest, selector: Selector) -> dict[str, Any]:
        page_sizes: list[int] = []
        with closing(scan(self._resources.dead_letters, selector, on_page=page_sizes.append)) as found:
            groups = count_by(found, request.by, time.time())
        return {"groups": [asdict(group) for group in groups], "looked_at": sum(page_sizes)}

    def _list(self, request: ListRequest, selector: Selector) -> dict[str, Any]:
        page_sizes: list[int] = []
        with closing(
            scan(self._resources.dead_letters, selector, limit=request.limit, on_page=page_sizes.append)
        ) as found:
            rows = [row_of(one) for one in found]
        return {"dead_letters": rows, "looked_at": sum(page_sizes)}

    def _replay(self, request: ReplayRequest, selector: Selector, context: Any) -> dict[str, Any]:
        plan = Plan(selector=selector, limit=request.limit, rate=request.rate, max_replays=request.max_replays)
        options = request.model_dump(include={"limit", "rate", "max_replays"}, exclude_none=True)
        actor = f"{request.actor}, through {context.function_name}"
        with recorded(self._resources.engine, "replay", actor, selector.describe() | options) as operation:
            return _run_replay(self._resources.dead_letters, self._resources.queue, plan, operation, context)


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


def _describe(error: ValidationError) -> list[dict[str, str]]:
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    return [{"field": ".".join(map(str, one["loc"])), "problem": one["msg"]} for one in problems]
