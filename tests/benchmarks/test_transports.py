"""The benchmark of the transports runs; its results are not asserted."""

from pathlib import Path

import pytest

from benchmarks.drain.transport_tables import CASES
from benchmarks.drain.transports import main


@pytest.mark.campaign
def test_one_command_measures_everything(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With tiny sizes, the page has every figure of every table, and the contenders do differ."""
    page = tmp_path / "figures.md"
    main(["--size", "5", "--rounds", "1", "--markdown", str(page)])
    rows = [row.split(" | ")[0].removeprefix("| ") for row in page.read_text().splitlines()[6:]]
    assert len(rows) == 7 * len(CASES)
    assert {row.split(":")[0] for row in rows} == {case.name for case in CASES}
    assert "bytes, json / both | 1.00 x" not in page.read_text()
    out = capsys.readouterr().out
    assert all(row in out for row in rows)
