"""Dead letters of several causes, for the tests of what screens do with a stage."""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any
from uuid import UUID

from sqlalchemy import Engine

from penstock.cli.operate.stage import OperatedStage
from penstock.cli.support.errors import Failure
from penstock.consumer.breaker.event_source import EventSourceMapping
from penstock.consumer.dead_letter import DeadLetter
from penstock.consumer.faults.tree import Cause, DataFault
from penstock.queue import Outgoing
from penstock.testing.queue import MemoryQueue
from tests.support.lambdas import ARN, MAPPING, LambdaStub

CHECK = Cause("CheckViolation", sqlstate="23514", table="stock", constraint="stock_quantity_check")
NULL = Cause("NotNullViolation", sqlstate="23502", table="emails", column="subject")
RETENTION = 14 * 86_400


def dead_letter(number: int, cause: Cause = CHECK, kind: str = "stock.adjusted", **data: Any) -> Outgoing:
    """Write the dead letter of the intent of that number."""
    id_ = str(UUID(int=number))
    head = {"specversion": "1.0", "id": id_, "source": "/shop", "type": kind, "time": "2026-11-20T10:00:00Z"}
    letter = DeadLetter.of(
        DataFault(cause), kind=kind, id=id_, receive_count=1, first_seen=None, function_version="7"
    )
    return letter.stamp(Outgoing(json.dumps(head | {"data": data or {"sku": "A1", "delta": -2}})))


def no_database() -> AbstractContextManager[Engine]:
    """Fail as a database does that is away."""
    raise Failure("connection refused\nCheck the database and its URL: --database-url, or PENSTOCK_DATABASE_URL")


def no_edit(text: str) -> Callable[[str], str]:
    """Edit nothing."""
    return lambda body: body


def operated(
    dead: MemoryQueue,
    main: MemoryQueue,
    engine: Engine | None = None,
    stub: LambdaStub | None = None,
    **parts: Any,
) -> OperatedStage:
    """Return a stage in memory; `parts` replace its other parts."""
    client: Any = stub or LambdaStub()
    known: dict[str, Any] = {
        "database": (lambda: nullcontext(engine)) if engine else no_database,
        "trial": lambda: lambda _engine: lambda _bodies: [],
        "edit": no_edit,
        "find_mapping": lambda: EventSourceMapping(client, MAPPING, ARN),
        "find_actor": lambda: "user/alice",
    }
    return OperatedStage(dead=dead, main=main, retention_seconds=RETENTION, **known | parts)
