"""Charts of characters: columns, their scale, and the axis of time below them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from penstock.cli.support.output import format_duration

GAP: Final = "·"
"""Stands on the base line where a value is not known."""
_EIGHTHS: Final = " ▁▂▃▄▅▆▇█"
_SPAN: Final = len(_EIGHTHS) - 1
_STEPS: Final = (1, 1.5, 2, 3, 4, 6, 8, 10)
_TIME_STEPS: Final = (
    0.1,
    0.2,
    0.5,
    1,
    2,
    3,
    5,
    10,
    15,
    20,
    30,
    60,
    120,
    300,
    600,
    1800,
    3600,
    7200,
    21_600,
    86_400,
    604_800,
)
_TICK: Final = "╵"
_BETWEEN_TICKS: Final = 20
"""In columns; a label takes 8 of them."""
_THOUSAND: Final = 1000


@dataclass(frozen=True, slots=True)
class Scale:
    """The scale of a figure.

    Attributes:
        top: returns the end of the axis for the greatest value.
        label: formats a value in 5 characters or less.
    """

    top: Callable[[float], float]
    label: Callable[[float], str]


def round_up(most: float) -> float:
    """Return the next round number; 1 for nothing."""
    if most <= 0:
        return 1.0
    power = 10.0 ** (len(str(int(most))) - 1) if most >= 1 else 0.1
    return next(step * power for step in _STEPS if step * power >= most)


def round_up_seconds(most: float) -> float:
    """Return the next duration that people know: 1 s, 10 s, 1 min, ...; 1 s for nothing."""
    known = (step for step in _TIME_STEPS if step >= most > 0)
    return next(known, round_up(most))


def short_number(value: float) -> str:
    """Format a number in 5 characters, such as `950`, `12.5k` or `3M`."""
    for size, unit in ((_THOUSAND**3, "G"), (_THOUSAND**2, "M"), (_THOUSAND, "k")):
        if value >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:.3g}"


def short_duration(seconds: float) -> str:
    """Format a duration, such as `0.5s`, `30s` or `5m`."""
    return f"{seconds:.2g}s" if seconds < 10 else format_duration(seconds)  # noqa: PLR2004 (two digits)


NUMBERS: Final = Scale(round_up, short_number)
SECONDS: Final = Scale(round_up_seconds, short_duration)


def columns(values: Sequence[float | None], height: int, top: float) -> list[str]:
    """Draw values as columns.

    Args:
        values: from the oldest to the newest; None for a value that is not known.
        height: the lines.
        top: the value that fills all lines.

    Returns:
        The lines, the topmost first, each as long as there are values.
    """
    filled = [None if value is None else _eighths(value, height, top) for value in values]
    return ["".join(_cell(one, line) for one in filled) for line in reversed(range(height))]


def _eighths(value: float, height: int, top: float) -> int:
    """Return how much of a column is filled. Even nothing has a base line: it is known."""
    return max(1, min(round(value / top * height * _SPAN), height * _SPAN))


def _cell(filled: int | None, line: int) -> str:
    if filled is None:
        return GAP if line == 0 else " "
    return _EIGHTHS[max(0, min(filled - line * _SPAN, _SPAN))]


def time_axis(times: Sequence[datetime], width: int) -> str:
    """Draw the times of columns that end at the right edge, each label beside its tick.

    Args:
        times: when the value of each column was read, `width` of them at most.
        width: the columns of the axis.
    """
    axis = [" "] * width
    first = width - len(times)
    for position in range(width - 1, first - 1, -_BETWEEN_TICKS):
        label = f"{times[position - first]:%H:%M:%S}"
        start = position - len(label)
        if start < 0:
            break
        axis[start : position + 1] = f"{label}{_TICK}"
    return "".join(axis)
