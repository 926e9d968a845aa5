"""The plot of the figures."""

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from benchmarks.plot import CONTENDERS, FIGURES, Line, panels, plot
from tests.support.project import ROOT

PAGE = """\
# Figures of the drain

## Records per second, this machine

| records in an event | penstock | powertools |
| ---: | ---: | ---: |
| 1 | 100 | 1,000 |
| 100 | 10,000 | 1,000 |

## Records per second, 10 ms a trip

| records in an event | penstock | powertools |
| ---: | ---: | ---: |
| 1 | 10 | 20 |
| 100 | 100 |  |

## What a million records cost

| records in an event | penstock |
| ---: | ---: |
| 1 | 100 |
"""


def test_the_lines_are_those_of_the_tables() -> None:
    """Each place has a line for each contender, without what was not measured; other tables are none."""
    assert panels(PAGE) == {
        "this machine": [
            Line("penstock", [(1, 100), (100, 10_000)]),
            Line("powertools", [(1, 1000), (100, 1000)]),
        ],
        "10 ms a trip": [Line("penstock", [(1, 10), (100, 100)]), Line("powertools", [(1, 20)])],
    }


def test_a_factor_of_ten_is_as_high_everywhere() -> None:
    """The height of a point is the logarithm of the speed, on one scale for all panels."""
    here, far = re.findall(r'class="line penstock" points="[\d.]+,([\d.]+) [\d.]+,([\d.]+)"', plot(PAGE))
    rises = [float(first) - float(last) for first, last in (here, far)]
    assert rises[0] == pytest.approx(2 * rises[1], abs=0.2)
    assert rises[1] > 20


def test_the_committed_plot_is_that_of_the_figures() -> None:
    """docs/figures.svg is what `make plot` draws, has each contender and a dark form, and loads nothing."""
    drawn = plot(FIGURES.read_text())
    assert (ROOT / "docs" / "figures.svg").read_text() == drawn, "run `make plot`"
    texts = {element.text for element in ET.fromstring(drawn).iter() if element.tag.endswith("text")}  # noqa: S314
    assert texts.issuperset(CONTENDERS.values())
    assert "prefers-color-scheme: dark" in drawn
    assert re.findall("(?:https?|data|url)[:(][^\"' ]+", drawn) == ["http://www.w3.org/2000/svg"]


@pytest.mark.parametrize("page", [Path("docs/engine.md"), Path("README.md")], ids=str)
def test_the_plot_is_shown(page: Path) -> None:
    """The page of the engine and the README show the plot."""
    assert "figures.svg)" in (ROOT / page).read_text()
