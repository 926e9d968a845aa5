"""The picture of `penstock top` in docs/watching.md: `make picture` draws it, always the same."""

import io
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from math import sin

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console

from penstock.cli.status.dashboard import History, dashboard
from penstock.cli.status.snapshot import CLOUDWATCH, Snapshot
from penstock.consumer.breaker.manual import BreakerStatus
from penstock.database.ledger_stats import DeadCause, LedgerStats, WaitingCause
from penstock.queue import Depth

_WIDTH = 100
_AT = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)
_CAUSES = (
    DeadCause("page.viewed", "CheckViolation", "23514", "duration_within_a_day", 23),
    DeadCause("order.placed", "unknown-field", None, None, 11),
    DeadCause("stock.adjusted", "NumericValueOutOfRange", "22003", None, 3),
)

_WAITING = (WaitingCause("order.placed", "NotYetFault", "ForeignKeyViolation", "23503", "orders", None, 2, _AT),)


def snapshots() -> Iterator[Snapshot]:
    """Yield snapshots of two invented minutes: the queue grows, the drain keeps its rate, intents die."""
    for n in range(60):
        rate = min(1450 + 90 * sin(n / 3), 240.0 * n)
        depth = int(48_000 * sin((n + 4) / 26) + 900 * sin(n))
        dead = [0, 3, 14, 14, 26, 37][n // 10]
        yield snapshot(at=_AT + timedelta(seconds=2 * n), depth=depth, settled=int(60 * rate), dead=dead)


def snapshot(*, at: datetime = _AT, depth: int = 0, settled: int = 0, dead: int = 0) -> Snapshot:
    """Return an invented snapshot."""
    figures = LedgerStats(
        applied=settled - settled // 40,
        stale=settled // 40,
        dead=dead // 12,
        p50_seconds=8.31,
        p99_seconds=24.07,
        slowest_seconds=29.5,
        pending=2,
        waiting=_WAITING,
        dead_in_all=dead,
        first_dead_at=_AT - timedelta(hours=2),
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
        retention=timedelta(days=14),
        figures=figures,
        breaker=BreakerStatus("closed", None, None, "Enabled"),
        budget=12,
        swept_in_seconds=None,
        errors={},
    )


def picture() -> str:
    """Draw the last snapshot as SVG, without a font that must be downloaded."""
    history = History()
    for each in snapshots():
        history.add(each)
    console = Console(record=True, width=_WIDTH, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(dashboard(each, history, _WIDTH))
    plain = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    return console.export_svg(title="penstock top --stage production", code_format=plain)


if __name__ == "__main__":
    sys.stdout.write(picture())
