"""What pages say of the figures is what the tables have."""

import re

from tests.support.project import ROOT

FIGURES = dict(re.findall(r"^\| (.+?) \| ([\d.]+) x \|", (ROOT / "docs" / "figures.md").read_text(), re.MULTILINE))


def page(name: str) -> str:
    """Return the text of a page in one line."""
    return " ".join((ROOT / "docs" / f"{name}.md").read_text().split())


def test_the_comparison_has_the_speed_of_the_table() -> None:
    """The factor to Powertools is that of the last measurement."""
    (factor,) = re.findall(r"Penstock is (\d+) times as fast at 1,000 records", page("comparison"))
    assert int(factor) == int(float(FIGURES["speed: penstock / powertools at 1,000"]))


def test_what_it_costs_is_that_of_the_table() -> None:
    """Penstock is faster than the bulk handler and has about a quarter of the speed of COPY, as the page says."""
    text = page("who-should-use-it")
    assert "Penstock was faster in the last measurement" in text
    assert all(float(value) > 1 for name, value in FIGURES.items() if name.startswith("speed: penstock / bulk"))
    assert "a quarter of the speed at 1,000 records" in text
    assert 0.2 < float(FIGURES["speed: penstock / copy at 1,000"]) < 0.3
