"""The Lambda function `dead-letters`, for callers who may invoke it but have no permission on the queues.

An event is one request, and the answer is JSON. Neither contains a payload:

    {"action": "stats", "all": true, "by": ["kind", "fault"]}
    {"action": "list", "selector": {"kinds": ["order.placed"], "since": "2026-11-20T10:00:00Z"}, "limit": 20}
    {"action": "replay", "selector": {"fingerprints": ["5f0c1b7a9d3e"]}, "actor": "alice", "rate": 100}
"""

import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from penstock.consumer.resources import Resources
from penstock.deadletters.function.schemas import ListRequest, ReplayRequest, Request, StatsRequest, row_of
from penstock.deadletters.scan.scan import scan
from penstock.deadletters.selector import Selector
from penstock.deadletters.stats import count_by
from penstock.queue import Queue
from penstock.settings import Settings

if TYPE_CHECKING:
    # Only a replay needs the database, and SQLAlchemy is a third of the start.
    from sqlalchemy import Engine

_REQUEST: TypeAdapter[StatsRequest | ListRequest | ReplayRequest] = TypeAdapter(Request)


class DeadLetters:
    """Answers requests about the dead letters of the service.

    handler = DeadLetters().handler
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        engine: "Engine | None" = None,
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
        self._resources = Resources(settings, engine, _make_engine, queue=queue, dead_letters=dead_letters)

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
        from penstock.deadletters.function.recorded_replay import run_recorded  # noqa: PLC0415 (see above)

        return run_recorded(self._resources, request, selector, context)


def _make_engine(settings: Settings) -> "Engine":
    from penstock.database import writer_engine  # noqa: PLC0415 (see above)

    return writer_engine(settings)


def _describe(error: ValidationError) -> list[dict[str, str]]:
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    return [{"field": ".".join(map(str, one["loc"])), "problem": one["msg"]} for one in problems]
