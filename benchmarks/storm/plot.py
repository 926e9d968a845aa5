"""The plot of the storm in the README, drawn from docs/figures-storm.md: `make plot`.

It shows the share of failed requests of each contender, while Postgres stays up and while it is restarted, and the
connections over time while it is restarted.
"""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.figures import read_table
from benchmarks.storm.contenders import CONTENDERS, PENSTOCK
from benchmarks.storm.report import RESTART, STEADY
from benchmarks.storm.server import GRANTED, MAX_CONNECTIONS

FIGURES: Final = Path(__file__).parents[2] / "docs" / "figures-storm.md"
_WIDTH: Final = 860
_LEFT: Final = 270
_SPACE: Final = 330
"""The width of a bar of 100 %, and of the connections over time."""
_LINE: Final = 24
_HEAD: Final = 38
_CURVE: Final = 36
_BLUE, _GREY, _RED = "#0b6e99", "#7b8794", "#c05621"


class Bar(NamedTuple):
    """What became of the requests to a contender.

    Attributes:
        name: what it is.
        failed: the share of its requests that failed, from 0 to 1.
        note: what is written beside it.
    """

    name: str
    failed: float
    note: str


class Curve(NamedTuple):
    """The connections of a contender over time.

    Attributes:
        name: what it is.
        connections: the most connections in each span; None where there is no sample.
    """

    name: str
    connections: Sequence[int | None]


def bars(page: str, run: str) -> list[Bar]:
    """Read the bars of a run from the page of the figures."""
    return [_bar(name, *cells) for name, *cells in read_table(page, run)[1:]]


def curves(page: str, run: str) -> list[Curve]:
    """Read the connections over time of a run from the page of the figures."""
    (_, *names), *body = read_table(page, f"Connections while {run}")
    columns = zip(*(row[1:] for row in body), strict=True)
    return [
        Curve(name, [int(cell) if cell else None for cell in column])
        for name, column in zip(names, columns, strict=True)
    ]


def plot(page: str) -> str:
    """Draw the plot as SVG."""
    parts: list[str] = []
    y = 0
    for run in (STEADY, RESTART):
        y += _HEAD
        parts.append(_heading(f"{run}: requests that failed", y))
        for bar in bars(page, run):
            parts += _draw_bar(bar, y)
            y += _LINE
    y += _HEAD
    parts.append(_heading(f"{RESTART}: connections, of {GRANTED} that it grants (dashed)", y))
    for curve in curves(page, RESTART):
        parts += _draw_curve(curve, y)
        y += _CURVE
    return _SVG.format(width=_WIDTH, height=y + 16, marks="\n".join(parts))


def _bar(name: str, requests: str, failed: str, _p50: str, p99: str, _most: str, lost: str, *_rest: str) -> Bar:
    note = f"{failed} of {requests} failed, p99 {p99.partition('.')[0]} ms"
    return Bar(name, _number(failed) / _number(requests), note if lost == "0" else f"{note}, {lost} lost")


def _number(cell: str) -> int:
    return int(cell.replace(",", ""))


def _heading(text: str, y: int) -> str:
    return f'<text x="16" y="{y - 9}" font-weight="bold">{text}</text>'


def _draw_bar(bar: Bar, y: int) -> list[str]:
    width = max(bar.failed * _SPACE, 1)
    return [
        _name(bar.name, y + 14),
        f'<rect x="{_LEFT}" y="{y + 1}" width="{width:.1f}" height="{_LINE - 7}" fill="{_RED}"/>',
        f'<text x="{_LEFT + width + 8:.1f}" y="{y + 14}">{bar.note}</text>',
    ]


def _draw_curve(curve: Curve, y: int) -> list[str]:
    most = max(count for count in curve.connections if count is not None)
    floor, granted = y + _CURVE - 6, _height(y, GRANTED)
    points = " ".join(_points(curve, y))
    end = _LEFT + _SPACE
    return [
        _name(curve.name, y + 20),
        f'<path d="M{_LEFT} {granted:.1f}H{end}" stroke="{_GREY}" stroke-dasharray="3 3"/>',
        f'<path d="M{_LEFT} {floor}H{end}" stroke="{_GREY}" stroke-width="0.5"/>',
        f'<polyline points="{points}" fill="none" stroke="{_color(curve.name)}" stroke-width="2"/>',
        f'<text x="{end + 8}" y="{y + 20}">at most {most}</text>',
    ]


def _points(curve: Curve, y: int) -> Iterator[str]:
    """Yield two points for each span, so that the line has steps. Without a sample, Postgres is down."""
    span = _SPACE / len(curve.connections)
    for number, count in enumerate(curve.connections):
        height = _height(y, count or 0)
        yield f"{_LEFT + number * span:.1f},{height:.1f}"
        yield f"{_LEFT + (number + 1) * span:.1f},{height:.1f}"


def _height(y: int, connections: int) -> float:
    return y + _CURVE - 6 - connections / MAX_CONNECTIONS * (_CURVE - 10)


def _name(name: str, y: int) -> str:
    return f'<text x="{_LEFT - 10}" y="{y}" text-anchor="end">{name}</text>'


def _color(name: str) -> str:
    return _BLUE if name == CONTENDERS[PENSTOCK].title else _GREY


_SVG: Final = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" \
font-family="sans-serif" font-size="13" fill="#1f2933">
<title>Requests that failed and connections to Postgres in the storm, by contender</title>
<rect width="{width}" height="{height}" fill="#ffffff"/>
{marks}
</svg>
"""


if __name__ == "__main__":
    sys.stdout.write(plot(FIGURES.read_text()))
