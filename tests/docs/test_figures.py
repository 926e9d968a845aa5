"""What pages say of the figures is what the tables have."""

import re

import pytest

from benchmarks.figures import read_table
from benchmarks.storm.contenders import CONTENDERS, PENSTOCK
from benchmarks.storm.plot import FIGURES as STORM
from benchmarks.storm.report import HEADINGS, RESTART, STEADY
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
    """The speed relative to the bulk handler and to COPY is that of the last measurement."""
    sentence = (
        "At 1,000 records Penstock has ([\\d.]+) times the speed of a .*?, and ([\\d.]+) times that of a plain"
    )
    (said,) = re.findall(sentence, page("who-should-use-it"))
    bulk, copy = (float(FIGURES[f"speed: penstock / {peer} at 1,000"]) for peer in ("bulk", "copy"))
    assert said == (f"{bulk:.1f}", f"{copy:.1f}")


@pytest.mark.parametrize("run", [STEADY, RESTART])
def test_the_readme_says_what_the_storm_has_shown(run: str) -> None:
    """With emit and drain nothing failed, nothing was lost, and five connections sufficed, as the README says."""
    text = " ".join((ROOT / "README.md").read_text().split())
    assert (
        "With emit and drain no request fails and each has its row in the end, also with a restart of Postgres"
        in text
    )
    assert "five connections suffice" in text
    (row,) = (row for row in read_table(STORM.read_text(), run) if row[0] == CONTENDERS[PENSTOCK].title)
    told = dict(zip(HEADINGS, row[1:], strict=True))
    assert (told["failed"], told["lost"], told["twice"], told["most connections"]) == ("0", "0", "0", "5 of 5")
