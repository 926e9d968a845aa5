"""An event bus in memory, and what is in the outbox."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from botocore.exceptions import ClientError
from sqlalchemy import Engine, select

from penstock.database.outbox import outbox

BUS = "outcomes"


@dataclass
class BusStub:
    """An EventBridge with one bus, whose `answer` gives the error code of an entry, if any, by its detail."""

    name: str = BUS
    answer: Callable[[dict[str, Any]], str | None] = lambda _: None
    error: Exception | None = None
    before: Callable[[], None] = lambda: None
    calls: list[list[dict[str, Any]]] = field(default_factory=list)
    details: list[dict[str, Any]] = field(default_factory=list)

    def describe_event_bus(self, *, Name: str) -> None:  # noqa: N803
        if Name != self.name:
            error: Any = {"Error": {"Code": "ResourceNotFoundException", "Message": Name}}
            raise ClientError(error, "DescribeEventBus")

    def put_events(self, *, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        self.before()
        assert 1 <= len(Entries) <= 10
        self.calls.append(Entries)
        if self.error:
            raise self.error
        answers = []
        for entry in Entries:
            detail = json.loads(entry["Detail"])
            code = self.answer(detail)
            if code is None:
                self.details.append(detail)
            answers.append({"ErrorCode": code, "ErrorMessage": "hunter2"} if code else {"EventId": "1"})
        return {"FailedEntryCount": 0, "Entries": answers}

    @property
    def events(self) -> Counter[str]:
        """The accepted events, and how often each was accepted."""
        return Counter(detail["event"] for detail in self.details)


def waiting(engine: Engine) -> Counter[tuple[UUID, str]]:
    """Return id and outcome of the events in the outbox, and how many there are of each."""
    with engine.connect() as connection:
        return Counter((row.id, row.outcome) for row in connection.execute(select(outbox)))
