"""An invented stage for `penstock console`: the figures of three quarters of an hour, and 2,000 dead letters.

The pictures in docs/console.md show it, and the tests of the page in a browser use it.
"""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from math import exp, sin
from typing import Any, Final, cast
from uuid import UUID

from sqlalchemy import Engine

from consumer.writes import drain
from penstock.cli.console.sampler import EVERY_SECONDS, Sampler
from penstock.cli.console.server import listen, running
from penstock.cli.console.state import Console
from penstock.cli.operate.stage import OperatedStage
from penstock.cli.status.snapshot import CLOUDWATCH, Snapshot
from penstock.cli.support.errors import Failure
from penstock.cli.support.options import Target
from penstock.consumer.breaker.event_source import EventSourceMapping
from penstock.consumer.breaker.manual import BreakerStatus
from penstock.consumer.dead_letter import DeadLetter
from penstock.consumer.dry_run import DryRunOutcome, DryRunResult
from penstock.consumer.faults.tree import Cause, DataFault
from penstock.database.ledger_stats import LedgerStats, WaitingCause
from penstock.deadletters.edit.edit import Edit
from penstock.queue import Attribute, Depth, Outgoing
from penstock.testing import ManualClock, MemoryQueue

STACK: Final = "shop-production"

_DAY: Final = 86_400.0
_SAMPLES: Final = 900
_STOCK: Final = Cause("CheckViolation", sqlstate="23514", table="stock", constraint="stock_quantity_not_negative")
_GIFT: Final = Cause("unknown-field", fields=("data.gift_note extra_forbidden",))
_SUBJECT: Final = Cause("StringDataRightTruncation", sqlstate="22001", table="emails", column="subject")
_DURATION: Final = Cause("NumericValueOutOfRange", sqlstate="22003", table="page_views", column="duration_ms")
_OTHER: Final = Outgoing("nightly report done", {"job": Attribute("report")})


def stage(letters: int = 2000) -> OperatedStage:
    """Return an invented stage in memory with about this many dead letters."""
    clock = ManualClock(time.time() - 11.6 * _DAY)
    dead = MemoryQueue(clock)
    for number, message in enumerate(_messages(letters)):
        dead.send([message])
        # Most died in one incident of two hours; the others one by one.
        clock.advance(7200 / letters if 0.1 < number / letters < 0.7 else 11.4 * _DAY / 0.4 / letters)  # noqa: PLR2004
    return OperatedStage(
        dead=dead,
        main=MemoryQueue(clock),
        retention_seconds=14 * int(_DAY),
        database=lambda: nullcontext(cast("Engine", None)),
        trial=lambda: lambda _: _trial,
        edit=_edit,
        find_mapping=_no_mapping,
        find_actor=lambda: "user/alice",
    )


@contextmanager
def console(letters: int = 2000, *, allow_changes: bool = False) -> Iterator[Console]:
    """Serve a console on an invented stage."""
    sampler = Sampler(_snapshot)
    now = datetime.now(UTC)
    for number in range(_SAMPLES):
        sampler.add(_snapshot(now - timedelta(seconds=EVERY_SECONDS * (_SAMPLES - 1 - number)), number / _SAMPLES))
    target = Target("production", None, None, None, None)
    with listen(0) as listener:
        own = Console(stage(letters), STACK, target, sampler, allow_changes, listener.getsockname()[1])
        with running(own, listener):
            yield own


def _messages(letters: int) -> Iterator[Outgoing]:
    """Yield dead letters of six causes, mixed; of 2,000 the first cause has 1,300."""
    yield _OTHER
    for number in range(letters - 1):
        share = (number * 619 % 1000) / 1000
        if share < 0.65:  # noqa: PLR2004
            data: dict[str, Any] = {"sku": f"KETTLE-{number % 40:02}", "delta": -3 - number % 5}
            yield _letter(number, "stock.adjusted", _STOCK, data)
        elif share < 0.9:  # noqa: PLR2004
            order = {"order_id": str(UUID(int=number)), "customer": f"customer-{number}", "total": "129.90"}
            order |= {"placed_at": "2026-11-20T02:11:09Z", "gift_note": "Happy birthday, Ada!"}
            yield _letter(number, "order.placed", _GIFT, order)
        elif share < 0.97:  # noqa: PLR2004
            mail = {"to": f"ada{number}@example.org", "subject": "Your order " * 20, "body": "Thank you!"}
            yield _letter(number, "email.requested", _SUBJECT, mail)
        elif share < 0.995:  # noqa: PLR2004
            view = {"path": "/kettles", "visitor": str(UUID(int=7)), "viewed_at": "2026-11-20T02:11:09Z"}
            yield _letter(number, "page.viewed", _DURATION, view | {"duration_ms": 2**31})
        else:
            yield Outgoing(
                _body(number, "order.status_changed", {"order_id": str(UUID(int=number)), "status": "paid"})
            )


def _body(number: int, kind: str, data: dict[str, Any]) -> str:
    id_ = str(UUID(int=0x0199A4C26A7E7CC08D2E0B8F6F000000 + number))
    head = {"specversion": "1.0", "id": id_, "source": "/shop", "type": kind, "time": "2026-11-20T02:11:09Z"}
    return json.dumps(head | {"datacontenttype": "application/json", "dataversion": 1, "data": data})


def _letter(number: int, kind: str, cause: Cause, data: dict[str, Any]) -> Outgoing:
    body = _body(number, kind, data)
    stamp = DeadLetter.of(
        DataFault(cause),
        kind=kind,
        id=json.loads(body)["id"],
        receive_count=1,
        first_seen="2026-11-20T02:11:10+00:00",
        function_version="42",
    )
    return stamp.stamp(Outgoing(body, {"type": Attribute(kind)}))


def _trial(bodies: Sequence[str]) -> list[DryRunResult]:
    """Pretend that the stock was counted again: only great withdrawals fail."""
    results = []
    for body in bodies:
        delta = json.loads(body).get("data", {}).get("delta", 0)
        dead = delta <= -6  # noqa: PLR2004
        outcome = DryRunOutcome.DEAD if dead else DryRunOutcome.APPLIED
        results.append(DryRunResult(outcome, None, None, DataFault(_STOCK) if dead else None))
    return results


def _edit(text: str) -> Callable[[str], str]:
    edit = Edit.parse(text, files=False)
    return lambda body: edit.apply(body, drain.contract)


def _no_mapping() -> EventSourceMapping:
    raise Failure("an invented stage has no Lambda")


def _snapshot(at: datetime | None = None, share: float = 1.0) -> Snapshot:
    """Return the figures of a moment: a flood comes at half time, and the drain keeps its rate."""
    at = at or datetime.now(UTC)
    flood = exp(-(((share - 0.52) / 0.11) ** 2)) + 0.35 * exp(-(((share - 0.72) / 0.06) ** 2))
    rate = 38 + 5 * sin(share * 40) + 2.5 * sin(share * 171) + 30 * min(1.0, flood * 1.6)
    lag = 0.18 + 9.0 * flood + 0.05 * sin(share * 90)
    figures = LedgerStats(
        applied=int(rate * 58),
        stale=int(rate * 1.2),
        dead=int(rate * 0.8 * (share < 0.7)),  # noqa: PLR2004
        p50_seconds=lag * 0.6,
        p99_seconds=lag * 1.9 + 0.3,
        slowest_seconds=lag * 2.2,
        pending=2,
        waiting=(
            WaitingCause("order.placed", "NotYetFault", "ForeignKeyViolation", "23503", "orders", None, 2, at),
        ),
        dead_in_all=2000,
        first_dead_at=at - timedelta(days=11.6),
        causes=(),
        connections=5,
    )
    dead = round(2000 * min(1.0, 0.35 + 0.65 / (1 + exp(-(share - 0.5) * 22))))
    return Snapshot(
        at=at,
        stack=STACK,
        queue=Depth(visible=int(21_000 * flood + 40 + 25 * sin(share * 120)), in_flight=30, delayed=0),
        oldest_seconds=4.0,
        oldest_source=CLOUDWATCH,
        dead_letters=Depth(visible=dead, in_flight=0, delayed=0),
        retention=timedelta(days=14),
        figures=figures,
        breaker=BreakerStatus("closed", None, None, "Enabled"),
        budget=12,
        swept_in_seconds=None,
        errors={},
    )
