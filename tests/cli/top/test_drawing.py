"""What the screens of `penstock top` are drawn with: columns, scales, times and tables."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.cli.status.figures import Figures
from penstock.cli.top.chart import columns, round_up, round_up_seconds, short_duration, short_number, time_axis
from penstock.cli.top.history import LONGEST_HISTORY, History
from penstock.cli.top.widgets.facts import bar
from penstock.cli.top.widgets.history_chart import draw_history
from penstock.cli.top.widgets.listing import Column, fit

AT = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("values", "height", "drawn"),
    [
        ([], 1, [""]),
        ([0, 4, 8], 1, ["▁▄█"]),
        ([None, 8, None], 2, [" █ ", "·█·"]),
        ([0, 1, 4, 5, 8], 2, ["   ▂█", "▁▂███"]),
        ([16, 1e308], 1, ["██"]),
    ],
)
def test_columns(values: list[float | None], height: int, drawn: list[str]) -> None:
    """Columns go from the base line to the top of the scale; nothing has a base line, the unknown a dot."""
    assert columns(values, height, 8) == drawn


@given(st.floats(0, 1e9))
def test_a_scale_holds_its_values(most: float) -> None:
    """The end of a scale is a round number that is not below the greatest value, and its label is short."""
    for top, label in ((round_up(most), short_number), (round_up_seconds(most), short_duration)):
        assert most <= top <= max(1.0, 12 * most)
        assert len(label(top)) <= 6


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (0.5, "0.5"), (950, "950"), (12_345, "12.3k"), (3e6, "3M"), (2e9, "2G")]
)
def test_short_numbers(value: float, text: str) -> None:
    """Numbers beside a chart take five characters."""
    assert short_number(value) == text


def test_the_axis_of_time() -> None:
    """Each label is beside the tick of the column that was read then, and the last column has one."""
    times = [AT + timedelta(seconds=2 * n) for n in range(25)]
    assert time_axis(times, 30) == " 03:00:08╵           03:00:48╵"
    assert time_axis(times[:3], 30) == " " * 21 + "03:00:04╵"
    assert time_axis([], 5) == " " * 5
    assert time_axis(times[:3], 3) == " " * 3


@pytest.mark.parametrize("width", [1, 5, 40, 63, 64, 300])
@pytest.mark.parametrize("lines", [1, 2, 6])
def test_a_history_fits_any_width(width: int, lines: int) -> None:
    """No line of the charts is wider than the screen, unless the screen has no room for a chart."""
    history = History()
    for number in range(LONGEST_HISTORY + 5):
        history.figures.append(Figures(AT, number, None if number % 3 else 0.5, p50=1e-9 * number))
    drawn = draw_history(history, None, width, lines).plain.splitlines()
    assert len(history.figures) == LONGEST_HISTORY
    assert len(drawn) == 4 * lines + 1
    assert max(map(len, drawn)) <= max(width, 26)


@pytest.mark.parametrize(("share", "filled"), [(-1, 0), (0, 0), (0.5, 4), (1, 8), (9, 8)])
def test_bars(share: float, filled: int) -> None:
    """A bar is as long as asked for, and what is filled has the colour."""
    drawn = bar(share, 8, "red")
    assert (drawn.plain, drawn.style) == ("━" * 8, "red")
    assert sum(span.end - span.start for span in drawn.spans) == 8 - filled


def test_a_table_that_is_too_wide_leaves_out_the_least() -> None:
    """Columns of the highest rank are left out first; what is left is shared by those that grow."""
    table = (Column("a", 4), Column("b", 6, grows=1, rank=1), Column("c", 6, grows=3, rank=2))
    assert fit(table, 30) == {0: 4, 1: 8, 2: 12}
    assert fit(table, 22) == {0: 4, 1: 6, 2: 6}
    assert fit(table, 21) == {0: 4, 1: 13}
    assert fit(table, 1) == {0: 4}
