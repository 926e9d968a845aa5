"""Charts as SVG, drawn here: a page needs no script for them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import floor, log10
from typing import Final

from penstock.cli.console.sampler import KEPT_SECONDS
from penstock.cli.status.figures import Figures

WIDTH: Final = 480
HEIGHT: Final = 100
_SHORTEST_SECONDS: Final = 300.0
_COLUMNS: Final = 240

Figure = Callable[[Figures], float | None]


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a chart.

    Attributes:
        name: what it shows.
        now: its newest value as text.
        path: the line, as the `d` of an SVG path; it has gaps where a value was not known.
        area: the area under it, likewise.
    """

    name: str
    now: str
    path: str
    area: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart with its scales.

    Attributes:
        title: what it shows.
        unit: the unit of its values.
        top: the value at the upper edge, as text.
        middle: the value half way.
        lines: its lines.
        times: the times at its left edge, in its middle and at its right edge.
        summary: the chart in a sentence.
    """

    title: str
    unit: str
    top: str
    middle: str
    lines: Sequence[Line]
    times: Sequence[str]
    summary: str


def draw(title: str, unit: str, figures: Sequence[tuple[str, Figure]], samples: Sequence[Figures]) -> Chart:
    """Draw a chart of some figures over time.

    Args:
        title: what it shows.
        unit: the unit of the values.
        figures: the name of each line, and its value in a sample.
        samples: the samples, the oldest first; at least one.
    """
    end = samples[-1].at.timestamp()
    span = min(max(_SHORTEST_SECONDS, end - samples[0].at.timestamp()), KEPT_SECONDS)
    series = [(name, _columns(samples, figure, end - span, span)) for name, figure in figures]
    most = max((value for _, columns in series for value in columns if value is not None), default=0.0)
    top = scale(most)
    lines = [
        _line(name, columns, figure(samples[-1]), unit, top)
        for (name, columns), (_, figure) in zip(series, figures, strict=True)
    ]
    return Chart(
        title=title,
        unit=unit,
        top=number(top),
        middle=number(top / 2),
        lines=lines,
        times=[_time(at) for at in (end - span, end - span / 2, end)],
        summary=f"{title}: {', '.join(f'{line.name} {line.now}' for line in lines)}; at most {number(most)}{unit} "
        f"in the last {round(span / 60)} minutes",
    )


def scale(most: float) -> float:
    """Return the value at the upper edge of a chart: 1, 2, 2.5 or 5 times a power of ten, not less than `most`."""
    if most <= 0:
        return 1.0
    power = 10.0 ** floor(log10(most))
    return next(step * power for step in (1, 2, 2.5, 5, 10) if step * power >= most * 0.999)


def number(value: float) -> str:
    """Format a value with about three digits."""
    if value >= 10 or value == int(value):  # noqa: PLR2004 (two digits before the point)
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 1 else f"{value:.2g}"


def _columns(samples: Sequence[Figures], figure: Figure, begin: float, span: float) -> list[float | None]:
    """Return the greatest value of each column, so that no peak is lost."""
    columns: list[float | None] = [None] * _COLUMNS
    for sample in samples:
        column = min(int((sample.at.timestamp() - begin) / span * _COLUMNS), _COLUMNS - 1)
        value, before = figure(sample), columns[column] if column >= 0 else None
        if column >= 0 and value is not None:
            columns[column] = max(value, before or 0.0)
    return columns


def _line(name: str, columns: Sequence[float | None], now: float | None, unit: str, top: float) -> Line:
    runs = _runs([(n, value) for n, value in enumerate(columns) if value is not None])
    points = [[(n * WIDTH / (_COLUMNS - 1), HEIGHT - value / top * HEIGHT) for n, value in run] for run in runs]
    texts = ["L".join(f"{x:.1f} {y:.1f}" for x, y in run) for run in points]
    return Line(
        name=name,
        now="\N{EN DASH}" if now is None else f"{number(now)}{unit}",
        path="".join(f"M{text}h.01" for text in texts),
        area="".join(
            f"M{run[0][0]:.1f} {HEIGHT}L{text}L{run[-1][0]:.1f} {HEIGHT}Z"
            for run, text in zip(points, texts, strict=True)
        ),
    )


def _runs(known: Sequence[tuple[int, float]]) -> list[list[tuple[int, float]]]:
    """Cut the values where the figure was not known for longer than a read may take."""
    gap = 8
    runs: list[list[tuple[int, float]]] = []
    for point in known:
        if runs and point[0] - runs[-1][-1][0] <= gap:
            runs[-1].append(point)
        else:
            runs.append([point])
    return runs


def _time(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%H:%M}"
