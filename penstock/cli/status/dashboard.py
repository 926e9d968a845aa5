"""The screen of `penstock top`: the figures over time, and the causes of dead intents."""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from penstock.cli.status.command import lines_of, verdict_line
from penstock.cli.status.snapshot import Snapshot
from penstock.cli.status.verdict import State, judge
from penstock.cli.support.output import escape_control
from penstock.database.ledger_stats import DeadCause

LONGEST_HISTORY: Final = 300

_BARS = "▁▂▃▄▅▆▇█"
_GAP = "·"
_STYLES = {"closed": "bold green", "half-open": "bold yellow", "changing": "bold yellow", "open": "bold red"}
_STATES = {State.OK: "bold green", State.DEGRADED: "bold yellow", State.STOPPED: "bold red"}
_MIN_SPARKLINE, _MAX_SPARKLINE = 8, 60
_BESIDE_SPARKLINE = 34
"""The columns that the name and the figure of a row take."""


@dataclass(slots=True)
class History:
    """The figures of the last `LONGEST_HISTORY` snapshots; None for a figure that was not known."""

    depth: deque[float | None] = field(default_factory=lambda: deque(maxlen=LONGEST_HISTORY))
    rate: deque[float | None] = field(default_factory=lambda: deque(maxlen=LONGEST_HISTORY))
    dead: deque[float | None] = field(default_factory=lambda: deque(maxlen=LONGEST_HISTORY))

    def add(self, snapshot: Snapshot) -> None:
        """Add the figures of a snapshot."""
        self.depth.append(snapshot.queue.total if snapshot.queue else None)
        self.rate.append(snapshot.figures.per_second if snapshot.figures else None)
        self.dead.append(snapshot.dead_letters.total if snapshot.dead_letters else None)


def dashboard(snapshot: Snapshot | None, history: History, width: int) -> RenderableType:
    """Draw a snapshot and the history before it.

    Args:
        snapshot: the newest snapshot; None if there is none yet.
        history: the figures so far.
        width: the columns of the screen.
    """
    if snapshot is None:
        return Text("reading …   q to quit")
    causes = snapshot.figures.causes if snapshot.figures else ()
    return Group(
        _header(snapshot), _verdict(snapshot), _sparklines(history, width), _current(snapshot), _causes(causes)
    )


def sparkline(values: Iterable[float | None], width: int) -> str:
    """Draw the last `width` values as bars relative to the greatest of them; an unknown value is a dot."""
    shown = list(values)[-width:]
    most = max((value for value in shown if value is not None), default=0)
    return "".join(_GAP if value is None else _bar(value, most) for value in shown)


def _bar(value: float, most: float) -> str:
    return _BARS[min(int(value / most * (len(_BARS) - 1) + 0.5), len(_BARS) - 1)] if most else _BARS[0]


def _header(snapshot: Snapshot) -> Text:
    position = snapshot.breaker.position if snapshot.breaker else "unknown"
    header = Text(f"{escape_control(snapshot.stack)}  ", "bold")
    header.append(f"{snapshot.at:%H:%M:%S} UTC  ", "not bold")
    header.append(f" breaker {position} ", f"{_STYLES.get(position, 'bold red')} reverse")
    return header.append("  q to quit", "not bold dim")


def _verdict(snapshot: Snapshot) -> Text:
    verdict = judge(snapshot)
    return Text(verdict_line(verdict), _STATES[verdict.state])


def _sparklines(history: History, width: int) -> Table:
    columns = min(max(width - _BESIDE_SPARKLINE, _MIN_SPARKLINE), _MAX_SPARKLINE)
    table = Table.grid(padding=(0, 2))
    for name, values, unit, style in (
        ("on the queue", history.depth, "", "cyan"),
        ("settled per second", history.rate, "/s", "green"),
        ("dead letters", history.dead, "", "red"),
    ):
        table.add_row(
            Text(name), Text(_figure(values, unit), justify="right"), Text(sparkline(values, columns), style)
        )
    return table


def _figure(values: Sequence[float | None], unit: str) -> str:
    newest = values[-1] if values else None
    if newest is None:
        return "?"
    return f"{newest:,.1f}{unit}" if unit else f"{newest:,.0f}"


def _current(snapshot: Snapshot) -> Panel:
    table = Table.grid(padding=(0, 2))
    for name, text in lines_of(snapshot).items():
        table.add_row(Text(name, "dim"), Text(text, "red" if text.startswith("not known") else ""))
    return Panel(table, title="now", title_align="left")


def _causes(causes: Sequence[DeadCause]) -> RenderableType:
    if not causes:
        return Text("no dead intents in the last 14 days, other than replayed or purged ones", "dim")
    table = Table(
        title="causes of the dead intents of the last 14 days", title_justify="left", header_style="bold"
    )
    table.add_column("count", justify="right", no_wrap=True, min_width=5)
    for name in ("kind", "reason", "sqlstate", "constraint"):
        table.add_column(name, overflow="ellipsis", no_wrap=True)
    for cause in causes:
        known = (cause.kind, cause.reason, cause.sqlstate, cause.constraint)
        table.add_row(f"{cause.count:,}", *(Text(escape_control(value)) for value in known))
    return table
