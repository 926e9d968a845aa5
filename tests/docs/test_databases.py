"""The page about databases: its URLs, its JSON and its code are those that the program takes."""

import re
from pathlib import Path
from typing import Any

import pytest

from penstock.database.address import find_address
from penstock.functions.migration import Migration
from tests.support.project import ROOT

PAGE = (ROOT / "docs" / "databases.md").read_text()
ARN = "arn:aws:secretsmanager:eu-central-1:000000000000:secret:shop-abcdef"
SETTINGS = re.findall(r"`((?:postgresql://|arn:)[^`\n]+)`", PAGE)


@pytest.mark.parametrize("setting", SETTINGS)
def test_every_form_is_taken(setting: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each setting of the page gives a host and a database, with the secret of the page where one is named."""
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
    """The page has all forms and the URLs of its recipes."""
    assert len(SETTINGS) >= 9


def test_the_handler_of_another_service() -> None:
    """The code of the page makes a handler, and imports nothing before the first invocation."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    page: dict[str, Any] = {}
    exec(code, page)  # noqa: S102
    assert page["handler"].__func__ is Migration.handler
