"""The page about migrations: its SQL is applied in the order of the page."""

import re
from pathlib import Path

from penstock.database.migrate import upgrade
from tests.support.project import ROOT

PAGE = (ROOT / "docs" / "migrations.md").read_text()


def test_the_files_of_the_page(empty_database: str, tmp_path: Path) -> None:
    """Both files are applied, the second one outside of a transaction."""
    scripts = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)
    for number, sql in enumerate(scripts, 1):
        (tmp_path / f"{number:04}_page.sql").write_text(sql)
    assert upgrade(empty_database, tmp_path)[-2:] == ["service 0001_page", "service 0002_page"]
