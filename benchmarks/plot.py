"""The plot of the drain, drawn from docs/figures.md: `make plot`.

It shows the records per second of each contender of `make bench-drain` by the records in an event, with a panel
for each place. Both axes are logarithmic, and all panels have the same.
"""

import math
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.drain.report import SPEED_HEADING
from benchmarks.figures import read_table

FIGURES: Final = Path(__file__).parent.parent / "docs" / "figures.md"
CONTENDERS: Final = {
    "penstock": "Penstock: validation, ledger, rows",
    "copy": "COPY of prepared rows: the upper limit",
    "bulk": "plain executemany: no validation, no ledger",
    "powertools": "Powertools, a transaction per record",
}
_WIDTH: Final = 860
_COLUMNS: Final = 2
_PANEL_WIDTH, _PANEL_HEIGHT = 325, 190
_LEFT, _TOP = 84, 92
"""Where the first panel begins."""
_ACROSS, _DOWN = 420, 264
"""From one panel to the next."""


class Line(NamedTuple):
    """A contender in one place.

    Attributes:
        name: the contender.
        points: records in an event, and records per second.
    """

    name: str
    points: Sequence[tuple[int, int]]


class Scale(NamedTuple):
    """A logarithmic axis in pixels.

    Attributes:
        first: the exponent of ten at its beginning.
        last: the exponent of ten at its end.
        pixels: its length.
    """

    first: int
    last: int
    pixels: int

    def at(self, value: float) -> float:
        """Return how far a value is from the beginning."""
        return (math.log10(value) - self.first) / (self.last - self.first) * self.pixels

    @property
    def decades(self) -> list[int]:
        """The powers of ten on it."""
        return [10**exponent for exponent in range(self.first, self.last + 1)]


def panels(page: str) -> dict[str, list[Line]]:
    """Read the lines of each place from the page of the figures."""
    places = re.findall(f"^## {re.escape(SPEED_HEADING)}(.+)$", page, re.MULTILINE)
    return {place: _lines(read_table(page, SPEED_HEADING + place)) for place in places}


def plot(page: str) -> str:
    """Draw the plot as SVG."""
    drawn = panels(page)
    across, up = _scales(drawn)
    parts = [*_legend()]
    for number, (place, lines) in enumerate(drawn.items()):
        row, column = divmod(number, _COLUMNS)
        parts += _draw_panel(place, lines, (_LEFT + column * _ACROSS, _TOP + row * _DOWN), across, up)
    height = _TOP + math.ceil(len(drawn) / _COLUMNS) * _DOWN - 24
    return _SVG.format(width=_WIDTH, height=height, marks="\n".join(parts))


def _lines(table: list[list[str]]) -> list[Line]:
    (_, *names), *body = table
    return [
        Line(name, [(_number(row[0]), _number(row[column])) for row in body if row[column]])
        for column, name in enumerate(names, start=1)
    ]


def _number(cell: str) -> int:
    return int(cell.replace(",", ""))


def _scales(drawn: Mapping[str, Sequence[Line]]) -> tuple[Scale, Scale]:
    points = [point for lines in drawn.values() for line in lines for point in line.points]
    sizes, speeds = zip(*points, strict=True)
    return _scale(sizes, _PANEL_WIDTH), _scale(speeds, _PANEL_HEIGHT)


def _scale(values: Sequence[int], pixels: int) -> Scale:
    first, last = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return Scale(first, max(last, first + 1), pixels)


def _legend() -> Iterator[str]:
    for number, (name, title) in enumerate(CONTENDERS.items()):
        row, column = divmod(number, _COLUMNS)
        x, y = 16 + column * _ACROSS, 20 + row * 22
        yield f'<path class="line {name}" d="M{x} {y - 4}h30"/>'
        yield f'<text x="{x + 38}" y="{y}">{title}</text>'


def _draw_panel(
    place: str, lines: Sequence[Line], corner: tuple[int, int], across: Scale, up: Scale
) -> Iterator[str]:
    left, top = corner
    floor = top + up.pixels
    yield f'<text x="{left}" y="{top - 12}" font-weight="bold">records per second, {place}</text>'
    for value in up.decades:
        y = floor - up.at(value)
        yield f'<path class="grid" d="M{left} {y:.1f}h{across.pixels}"/>'
        yield f'<text x="{left - 8}" y="{y + 4:.1f}" text-anchor="end">{value:,}</text>'
    for value in across.decades:
        x = left + across.at(value)
        yield f'<text x="{x:.1f}" y="{floor + 18}" text-anchor="middle">{value:,}</text>'
    middle = left + across.pixels / 2
    yield f'<text x="{middle:.1f}" y="{floor + 36}" text-anchor="middle">records in an event</text>'
    for line in reversed(lines):  # Penstock's, the first, is on top.
        points = [f"{left + across.at(size):.1f},{floor - up.at(speed):.1f}" for size, speed in line.points]
        yield f'<polyline class="line {line.name}" points="{" ".join(points)}"/>'


_SVG: Final = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" \
font-family="sans-serif" font-size="13">
<title>Records per second of the drain beside common alternatives, by records in an event</title>
<style>
.paper {{ fill: #ffffff }} text {{ fill: #1f2933 }} .grid {{ stroke: #d9dee4 }}
.line {{ fill: none; stroke: #7b8794; stroke-width: 2 }}
.penstock {{ stroke: #0b6e99; stroke-width: 3 }} .copy {{ stroke-dasharray: 7 4 }}
.powertools {{ stroke-dasharray: 2 3 }}
@media (prefers-color-scheme: dark) {{
.paper {{ fill: #16191d }} text {{ fill: #d9dee4 }} .grid {{ stroke: #3a424c }}
.line {{ stroke: #9aa5b1 }} .penstock {{ stroke: #4db8e0 }}
}}
</style>
<rect class="paper" width="{width}" height="{height}"/>
{marks}
</svg>
"""


if __name__ == "__main__":
    sys.stdout.write(plot(FIGURES.read_text()))
