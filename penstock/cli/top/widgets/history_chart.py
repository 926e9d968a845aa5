"""The history of a stage over the whole width: four figures, their scales, and one axis of time."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from rich.text import Text
from textual.color import Color
from textual.geometry import Size
from textual.widget import Widget

from penstock.cli.status.figures import Figures
from penstock.cli.status.snapshot import Snapshot
from penstock.cli.top.chart import NUMBERS, SECONDS, Scale, columns, short_duration, short_number, time_axis
from penstock.cli.top.history import History
from penstock.cli.top.style import BACKGROUND, BAD, BLUE, DIM, FAINT, GOOD, TEXT, VIOLET

_NARROW: Final = 64
"""Below this width the names are short."""
_SIDE: Final = 19
_NARROW_SIDE: Final = 15
_AXIS: Final = 6
_BESIDE_CHARTS: Final = 14
"""The lines of the screen that the charts leave to the rest."""
_LINES_FOR_ONE: Final = 5
"""A higher screen gives each of the four charts a line more for so many lines."""
_MOST_LINES: Final = 6
_DARKEST: Final = 0.6
"""How much of the background is in the base line of a chart."""


@dataclass(frozen=True, slots=True)
class _Series:
    """One figure over time.

    Attributes:
        name: what it is.
        short: the same in 7 characters.
        colour: the colour of its columns.
        scale: its scale.
        of: takes the figure from the figures of a snapshot.
        value: formats the newest value.
        detail: says more about the newest value; empty if there is no more.
    """

    name: str
    short: str
    colour: str
    scale: Scale
    of: Callable[[Figures], float | None]
    value: Callable[[float], str]
    detail: Callable[[Snapshot], str]


def _in_flight(snapshot: Snapshot) -> str:
    return f"{snapshot.queue.in_flight - (snapshot.resting or 0):,} in flight" if snapshot.queue else ""


def _died(snapshot: Snapshot) -> str:
    return f"{snapshot.figures.dead:,} dead in 1m" if snapshot.figures else ""


def _slowest(snapshot: Snapshot) -> str:
    p99 = snapshot.figures.p99_seconds if snapshot.figures else None
    return "" if p99 is None else f"p99 {p99:,.2f} s"


def _nothing(_: Snapshot) -> str:
    return ""


_SERIES: Final = (
    _Series("on the queue", "queue", BLUE, NUMBERS, lambda one: one.depth, "{:,.0f}".format, _in_flight),
    _Series("settled per second", "settled", GOOD, NUMBERS, lambda one: one.rate, "{:,.1f}/s".format, _died),
    _Series("emit to commit", "lag", VIOLET, SECONDS, lambda one: one.p50, "p50 {:,.2f} s".format, _slowest),
    _Series("dead letters", "dead", BAD, NUMBERS, lambda one: one.dead, "{:,.0f}".format, _nothing),
)


class HistoryChart(Widget):
    """The four figures over time. A value that is not known is a gap."""

    DEFAULT_CSS = "HistoryChart { height: auto; padding: 0 1; }"

    def __init__(self, history: History) -> None:
        """Take the history, which others add to."""
        super().__init__()
        self._history = history
        self._snapshot: Snapshot | None = None

    def show(self, snapshot: Snapshot) -> None:
        """Draw the history up to a snapshot."""
        self._snapshot = snapshot
        self.refresh(layout=True)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:  # noqa: ARG002 (Textual's)
        """Return the lines of the charts and their axis, for the height of the screen."""
        lines = max(1, min((viewport.height - _BESIDE_CHARTS) // _LINES_FOR_ONE, _MOST_LINES))
        return lines * len(_SERIES) + 1

    def render(self) -> Text:
        """Draw the charts into the room that they have."""
        size = self.content_size
        return draw_history(self._history, self._snapshot, size.width, max(1, (size.height - 1) // len(_SERIES)))


def draw_history(history: History, snapshot: Snapshot | None, width: int, lines: int) -> Text:
    """Draw the history.

    Args:
        history: the figures so far.
        snapshot: the newest snapshot; None if there is none yet.
        width: the columns to fill.
        lines: the lines of each chart.
    """
    narrow = width < _NARROW
    side = _NARROW_SIDE if narrow else _SIDE
    room = max(width - side - _AXIS, 1)
    drawn = Text(no_wrap=True, overflow="crop")
    for series in _SERIES:
        values = history.last(room, series.of)
        top = series.scale.top(max((value for value in values if value is not None), default=0))
        names = _side(series, values[-1] if values else None, snapshot, narrow=narrow or lines == 1)
        for line, row in enumerate(columns(values, lines, top)):
            name = names[line] if line < len(names) else Text()
            name.truncate(side, pad=True)
            drawn.append(name)
            drawn.append(_axis(line, lines, series.scale.label(top)), FAINT)
            drawn.append(f"{row.rjust(room)}\n", _shade(series.colour, line, lines))
    drawn.append(" " * (side + _AXIS) + time_axis(history.times(room), room), DIM)
    return drawn


def _side(series: _Series, value: float | None, snapshot: Snapshot | None, *, narrow: bool) -> list[Text]:
    """Return the lines beside a chart: the name, the newest value, and what else is known."""
    if narrow:
        known = "?" if value is None else _short(series, value)
        return [Text(f"{series.short:<8}", DIM).append(known.rjust(6), TEXT)]
    known = _missing(series, snapshot) if value is None else series.value(value)
    detail = series.detail(snapshot) if snapshot else ""
    return [
        Text(series.name, series.colour),
        Text(known, f"bold {TEXT}" if value is not None else DIM),
        Text(detail, DIM),
    ]


def _missing(series: _Series, snapshot: Snapshot | None) -> str:
    """Return why there is no value: nothing was applied, or it could not be read."""
    return "none applied in 1m" if series.scale is SECONDS and snapshot and snapshot.figures else "not known"


def _short(series: _Series, value: float) -> str:
    return short_duration(value) if series.scale is SECONDS else short_number(value)


def _shade(colour: str, line: int, lines: int) -> str:
    """Return the colour of a line of a chart: large areas are darker towards the base."""
    darker = _DARKEST * line / max(lines - 1, 1)
    return Color.parse(colour).blend(Color.parse(BACKGROUND), darker).hex


def _axis(line: int, lines: int, top: str) -> str:
    """Return the scale at a line of a chart: its top, its base, and a rule between them."""
    if line == 0:
        return f"{top:>5}┤"
    return f"{'0':>5}┤" if line == lines - 1 else f"{'':>5}│"
