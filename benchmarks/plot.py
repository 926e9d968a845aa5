"""The plot of docs/engine.md, drawn from docs/figures.md: `make plot`.

It shows how many records each contender of `make bench-drain` writes in the time in which Penstock writes one, by
the size of the batch. Longer is faster.
"""

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

FIGURES: Final = Path(__file__).parent.parent / "docs" / "figures.md"
CONTENDERS: Final = {
    "powertools": "Powertools, a transaction per record",
    "bulk": "plain executemany: no validation, no ledger",
    "copy": "COPY of prepared rows: the upper limit",
}
_PENSTOCK: Final = "Penstock: validation, ledger, rows"
_ROW: Final = re.compile(r"^\| speed: penstock / (\w+) at ([\d,]+) \| ([\d.]+) x \|", re.MULTILINE)
_WIDTH: Final = 860
_LEFT: Final = 330
_LINE: Final = 24
_HEAD: Final = 34
_COLORS: Final = {_PENSTOCK: "#0b6e99"}
_OTHER: Final = "#9aa5b1"


@dataclass(frozen=True)
class Bar:
    """A contender at a size of the batch.

    Attributes:
        size: records in a batch, as the table has it.
        name: what it is.
        speed: its speed, as a multiple of Penstock's.
    """

    size: str
    name: str
    speed: float


def bars(figures: str) -> list[Bar]:
    """Read the bars from a table of figures, by size; Penstock is the first of each."""
    rows = _ROW.findall(figures)
    sizes = dict.fromkeys(size for _, size, _ in rows)
    return [bar for wanted in sizes for bar in _bars_of(wanted, rows)]


def _bars_of(wanted: str, rows: list[tuple[str, str, str]]) -> Iterator[Bar]:
    yield Bar(wanted, _PENSTOCK, 1)
    for name, size, ratio in rows:
        if size == wanted:
            yield Bar(size, CONTENDERS[name], 1 / float(ratio))


def plot(figures: str) -> str:
    """Draw the plot as SVG."""
    drawn = bars(figures)
    unit = (_WIDTH - _LEFT - 90) / max(bar.speed for bar in drawn)
    parts: list[str] = []
    y, size = 0, ""
    for bar in drawn:
        if bar.size != size:
            size, y = bar.size, y + _HEAD
            parts.append(f'<text x="16" y="{y - 8}" font-weight="bold">batches of {size} records</text>')
        parts += _draw(bar, y, unit)
        y += _LINE
    return _SVG.format(width=_WIDTH, height=y + 16, marks="\n".join(parts))


def _draw(bar: Bar, y: int, unit: float) -> list[str]:
    """Draw one bar with its name before it and its speed after it."""
    width = max(bar.speed * unit, 1)
    color = _COLORS.get(bar.name, _OTHER)
    return [
        f'<text x="{_LEFT - 10}" y="{y + 14}" text-anchor="end">{bar.name}</text>',
        f'<rect x="{_LEFT}" y="{y + 1}" width="{width:.1f}" height="{_LINE - 7}" fill="{color}"/>',
        f'<text x="{_LEFT + width + 8:.1f}" y="{y + 14}">{bar.speed:.2f} x</text>',
    ]


_SVG: Final = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" \
font-family="sans-serif" font-size="13" fill="#1f2933">
<title>Speed of the drain beside common alternatives, Penstock = 1</title>
<rect width="{width}" height="{height}" fill="#ffffff"/>
{marks}
</svg>
"""


if __name__ == "__main__":
    sys.stdout.write(plot(FIGURES.read_text()))
