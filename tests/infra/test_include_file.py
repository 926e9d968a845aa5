"""The file that serverless.yml includes."""

import re

from penstock.infra.include_file import NAME, include_file
from penstock.infra.service_file import known_keys
from tests.support.project import ROOT

DOCS = (ROOT / "docs" / "infrastructure.md").read_text()
KEYS = DOCS.partition("## The keys of")[2].partition("\n## ")[0]


def test_the_shop_has_the_current_file() -> None:
    """The shop's own file is the one that this version writes."""
    assert (ROOT / NAME).read_text() == include_file(), "run `penstock infra`"


def test_every_key_is_documented() -> None:
    """The page has a row for each key that the parts read, and for no other."""
    rows = re.findall(r"^\| `([\w.]+)` \|", KEYS, re.MULTILINE)
    assert set(rows) == known_keys()
    assert len(rows) == len(set(rows))


def test_every_default_is_documented() -> None:
    """The row of a key has the default that the parts have."""
    rows = dict(re.findall(r"^\| `([\w.]+)` \| ([^|]+) \|", KEYS, re.MULTILINE))
    plain = re.findall(r"self:custom\.penstock\.([\w.]+), (?:(\d[\d.]*)|'([^'$]*)')\}", include_file())
    assert len(plain) > 20
    defaults = {key: f"`{number or text}`" if number or text else "none" for key, number, text in plain}
    assert [key for key, default in defaults.items() if default not in rows[key]] == []
