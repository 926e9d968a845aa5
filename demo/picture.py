"""The pictures of `penstock top` in docs/watching.md: `make picture` draws them, always the same."""

import asyncio
import json
import re
import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from itertools import cycle
from math import sin
from pathlib import Path
from typing import Any, Final
from uuid import NAMESPACE_URL, UUID, uuid5

from sqlalchemy import Engine
from textual.pilot import Pilot

from penstock.cli.operate.stage import OperatedStage
from penstock.cli.status.snapshot import CLOUDWATCH, Snapshot
from penstock.cli.support.errors import Failure
from penstock.cli.top.app import TopApp
from penstock.cli.top.screens.causes import CausesScreen
from penstock.cli.top.screens.letters import LettersScreen
from penstock.cli.top.session import Session
from penstock.cli.top.tenants import Tenants
from penstock.consumer.breaker.manual import BreakerStatus
from penstock.consumer.dead_letter import DeadLetter
from penstock.consumer.faults.tree import Cause, DataFault
from penstock.database.ledger_stats import DeadCause, LedgerStats, WaitingCause
from penstock.queue import Depth, Outgoing
from penstock.testing.clock import ManualClock
from penstock.testing.queue import MemoryQueue

_AT = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)
_RETENTION = timedelta(days=14)
_CHECK = Cause("CheckViolation", sqlstate="23514", table="page_views", constraint="duration_within_a_day")
_FIELD = Cause("unknown-field", fields=("data.voucher",))
_RANGE = Cause("NumericValueOutOfRange", sqlstate="22003", table="stock", column="quantity")
_DIED: Final = (("page.viewed", _CHECK, 23), ("order.placed", _FIELD, 11), ("stock.adjusted", _RANGE, 3))
_TENANTS: Final = ("acme", "acme", "globex", "acme", "initech", "acme", "globex")
_CAUSES = tuple(
    DeadCause(kind, cause.reason, cause.sqlstate, cause.constraint, count) for kind, cause, count in _DIED
)
_WAITING = (
    WaitingCause("page.viewed", "SchemaFault", "UndefinedColumn", "42703", None, "path", 214, _AT),
    WaitingCause("order.placed", "NotYetFault", "ForeignKeyViolation", "23503", "orders", None, 2, _AT),
)
_NOISY: Final = Tenants(noisy=1, quiet_waiting=1_204, quiet_oldest_seconds=4.0)
_SECONDS = 30.0
"""Drawing takes less than one."""

Steps = Callable[[TopApp, Pilot[None]], Awaitable[None]]


def snapshots() -> Iterator[Snapshot]:
    """Yield snapshots of three invented minutes: the queue grows, the drain keeps its rate, intents die."""
    for n in range(90):
        rate = min(1450 + 90 * sin(n / 3), 240.0 * n)
        depth = int(46_000 * sin((n + 6) / 39) + 900 * sin(n))
        dead = [0, 3, 14, 14, 26, 37][n // 15]
        lag = None if n in range(30, 33) else 2.2 + 7 * abs(sin((n + 4) / 40)) + 0.6 * sin(n / 2)
        yield snapshot(at=_AT + timedelta(seconds=2 * n), depth=depth, settled=int(60 * rate), dead=dead, lag=lag)


def snapshot(
    *, at: datetime = _AT, depth: int = 0, settled: int = 0, dead: int = 0, lag: float | None = 8.31
) -> Snapshot:
    """Return an invented snapshot."""
    figures = LedgerStats(
        applied=settled - settled // 40,
        stale=settled // 40,
        dead=dead // 12,
        p50_seconds=lag,
        p99_seconds=lag and 2.9 * lag,
        slowest_seconds=lag and 3.4 * lag,
        pending=216,
        resting=216,
        waiting=_WAITING,
        dead_in_all=dead,
        first_dead_at=_AT - timedelta(days=8, hours=7),
        causes=_CAUSES,
        connections=5,
    )
    return Snapshot(
        at=at,
        stack="shop-production",
        queue=Depth(visible=depth, in_flight=5000, delayed=0),
        oldest_seconds=31.0,
        oldest_source=CLOUDWATCH,
        dead_letters=Depth(visible=dead, in_flight=0, delayed=0),
        retention=_RETENTION,
        figures=figures,
        breaker=BreakerStatus("closed", None, None, "Enabled"),
        budget=12,
        swept_in_seconds=None,
        errors={},
    )


class InventedReader:
    """Reads invented snapshots, one after the other, from the first again after the last."""

    def __init__(self, made: Iterable[Snapshot], tenants: Tenants = _NOISY) -> None:
        self._made = cycle(made)
        self._tenants = tenants

    def read(self) -> Snapshot:
        """Return the next one."""
        return next(self._made)

    def tenants(self, _now: datetime) -> Tenants:
        """Return invented tenants."""
        return self._tenants


def invented_stage(clock: ManualClock) -> OperatedStage:
    """Return a stage whose queues are in memory, with dead letters of three causes."""
    dead = MemoryQueue(clock)
    for number, (kind, cause, count) in enumerate(_DIED):
        clock.advance(3600)
        for n in range(count):
            clock.advance(15_000)
            if refused := dead.send([_dead_letter(_id(number, n), kind, cause, n)]):
                raise ValueError(f"refused: {refused}")
    clock.advance(5 * 3600)
    return OperatedStage(
        dead=dead,
        main=MemoryQueue(clock),
        retention_seconds=int(_RETENTION.total_seconds()),
        database=_no_database,
        trial=_nothing,
        edit=_nothing,
        find_mapping=_nothing,
        find_actor=lambda: "user/alice",
    )


def main_picture() -> str:
    """Draw the first screen."""
    return _draw((104, 47), _see_all)


def letters_picture() -> str:
    """Draw the dead letters of a cause."""
    return _draw((104, 20), _open_a_cause)


def _id(*numbers: int) -> UUID:
    """Return an id that looks like one of version 7."""
    text = str(uuid5(NAMESPACE_URL, repr(numbers)))
    return UUID(f"01a1fe46{text[8:14]}7{text[15:]}")


def _dead_letter(id_: UUID, kind: str, cause: Cause, number: int) -> Outgoing:
    head = {"specversion": "1.0", "id": str(id_), "source": "/shop", "type": kind, "time": _AT.isoformat()}
    letter = DeadLetter.of(
        DataFault(cause), kind=kind, id=str(id_), receive_count=1, first_seen=None, function_version="7"
    )
    body = json.dumps(head | {"data": {"path": f"/page/{number}", "duration": 100_000 + number}})
    return letter.stamp(Outgoing(body, group=_TENANTS[number % len(_TENANTS)]))


def _no_database() -> AbstractContextManager[Engine]:
    raise Failure("there is no database")


def _nothing(*_: object) -> Any:
    raise Failure("there is nothing")


async def _see_all(app: TopApp, pilot: Pilot[None]) -> None:
    """Wait for the snapshot that is read."""
    while len(app.history.figures) < len(list(snapshots())):
        await pilot.pause(0.01)
    await pilot.pause()


async def _open_a_cause(app: TopApp, pilot: Pilot[None]) -> None:
    """Open the causes, and the first of them."""
    for kind in (CausesScreen, LettersScreen):
        await pilot.press("enter")
        while not (isinstance(app.screen, kind) and app.screen.selected):
            await pilot.pause(0.01)
    await pilot.pause()


def _draw(size: tuple[int, int], steps: Steps) -> str:
    """Draw the screen after some steps as SVG, without a font that must be downloaded."""

    async def draw() -> str:
        clock = ManualClock(_AT.timestamp())
        stage = invented_stage(clock)
        *before, last = snapshots()
        session = Session(lambda: stage, clock)
        app = TopApp(InventedReader([last]), session, seconds=600, stage_options=" --stage production")
        for one in before:
            app.history.add(one)
        async with asyncio.timeout(_SECONDS), app.run_test(size=size) as pilot:
            await steps(app, pilot)
            return app.export_screenshot(title="penstock top --stage production", simplify=True)

    return re.sub(r"@font-face \{.*?\}\s*", "", asyncio.run(draw()), flags=re.DOTALL)


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    (folder / "top.svg").write_text(main_picture())
    (folder / "top-letters.svg").write_text(letters_picture())
