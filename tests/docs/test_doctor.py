"""The page of the doctor has each rule with its reason and its source."""

import re

import pytest

from penstock.doctor.budget import PEOPLE
from penstock.doctor.examine import RULES
from penstock.doctor.rule import Rule
from penstock.doctor.rules.database import RULES as OF_DATABASE
from tests.support.project import ROOT

PAGE = (ROOT / "docs" / "doctor.md").read_text()
ALL = {rule.name: rule for rule in (*RULES, *OF_DATABASE)}


@pytest.mark.parametrize("rule", ALL.values(), ids=ALL)
def test_every_rule_has_its_row(rule: Rule) -> None:
    """A rule has a row with what is wrong, why, the page that says so, and the way out."""
    (row,) = re.findall(rf"^\| `{rule.name}` \|(.+)\|$", PAGE, re.MULTILINE)
    what, why, out = (cell.strip() for cell in row.split(" | "))
    assert why == f"{rule.why} ([source]({rule.source}))"
    assert what
    assert out


def test_no_row_is_of_another_rule() -> None:
    """The tables name no rule that does not exist."""
    rows = set(re.findall(r"^\| `([a-z-]+)` \|", PAGE, re.MULTILINE))
    assert rows == ALL.keys() | {"fault", "warning", "note"}


def test_numbers_of_the_page() -> None:
    """The connections that are kept for people are those of the code."""
    assert f"{PEOPLE} are kept for them" in PAGE
