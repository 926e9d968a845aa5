"""The plot of the figures."""

import re
from xml.etree import ElementTree as ET

import pytest

from benchmarks.plot import CONTENDERS, FIGURES, Bar, bars, plot
from tests.support.project import ROOT

TABLE = """\
| speed: penstock / powertools at 100 | 20.00 x |  |  |
| speed: penstock / copy at 100 | 0.50 x | >= 0.6 x | not reached |
| speed: penstock / bulk at 1,000 | 1.25 x |  |  |
| time: upsert / append at 1,000 | 1.49 x | <= 1 x | not reached |
"""


def test_the_bars_are_the_speeds_of_the_table() -> None:
    """Each row of a speed is a bar, relative to Penstock's at the same size; other rows are none."""
    drawn = [(bar.size, bar.speed) for bar in bars(TABLE)]
    assert drawn == [("100", 1), ("100", 0.05), ("100", 2), ("1,000", 1), ("1,000", pytest.approx(0.8))]
    assert isinstance(bars(TABLE)[0], Bar)


def test_the_widths_are_the_speeds() -> None:
    """A bar is as long as its contender is fast."""
    widths = [float(width) for width in re.findall(r'<rect x="330" .*? width="([\d.]+)"', plot(TABLE))]
    assert [width / widths[0] for width in widths] == pytest.approx([1, 0.05, 2, 1, 0.8], abs=0.001)


def test_the_committed_plot_is_that_of_the_figures() -> None:
    """docs/figures.svg is what `make plot` draws, has each contender, loads nothing, and is in docs/engine.md."""
    drawn = plot(FIGURES.read_text())
    assert (ROOT / "docs" / "figures.svg").read_text() == drawn, "run `make plot`"
    texts = {element.text for element in ET.fromstring(drawn).iter() if element.tag.endswith("text")}  # noqa: S314
    assert texts.issuperset(CONTENDERS.values())
    assert re.findall("(?:https?|data):[^\"' ]+", drawn) == ["http://www.w3.org/2000/svg"]
    assert "(figures.svg)" in (ROOT / "docs" / "engine.md").read_text()
