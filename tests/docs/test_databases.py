"""The pages about databases and poolers: their URLs and JSON are those that the program takes."""

import re
from pathlib import Path

import pytest

from penstock.database.address import find_address
from tests.support.project import ROOT

PAGE = (ROOT / "docs" / "databases.md").read_text()
POOLERS = [(ROOT / "docs" / f"{name}.md").read_text() for name in ("pgbouncer", "rds-proxy", "supabase", "neon")]
ARN = "arn:aws:secretsmanager:eu-central-1:000000000000:secret:shop-abcdef"
_INLINE = r"`((?:postgresql://|arn:)[^`\n]+)`"
_ASSIGNED = r"^PENSTOCK_DATABASE_URL=(.+)$"
SETTINGS = re.findall(_INLINE, PAGE)
FOR_POOLERS = [re.findall(f"{_INLINE}|{_ASSIGNED}", page, re.MULTILINE) for page in POOLERS]


@pytest.mark.parametrize("setting", [*SETTINGS, *("".join(found) for page in FOR_POOLERS for found in page)])
def test_every_form_is_taken(setting: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each setting of the pages gives a host and a database, with the secret of the page where one is named."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "consumer").mkdir()
    (tmp_path / "consumer" / "ca.pem").touch()
    (json,) = re.findall(r"```json\n(.*?)\n```", PAGE, re.DOTALL)
    url = re.sub(r"arn:aws:secretsmanager:\.\.\.|(?<=credentials=)ARN", ARN, setting)
    address = find_address(url, lambda _arn: json)
    assert address.url.database
    assert address.url.host or address.url.query["host"]
    assert "credentials" not in address.url.query


def test_there_are_forms() -> None:
    """The page has all forms, and each pooler's page has a URL."""
    assert len(SETTINGS) >= 8
    assert all(FOR_POOLERS)
