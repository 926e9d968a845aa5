"""The benchmark of the drain runs; its results are not asserted."""

import json
from pathlib import Path

import pytest

from benchmarks.drain.__main__ import main
from benchmarks.figures import Figure

PEERS = ("powertools", "bulk", "copy")
KEYED = ("upsert", "upsert of two kinds", "increment")
UNCLEAN = (
    "one record in a hundred delivered before",
    "every record delivered before",
    "one poison record",
    "ten poison records",
)
FULL = ("full ledger, ids by time", "full ledger, derived ids")


def test_one_command_measures_everything(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With tiny sizes, JSON and Markdown have every figure, and the output names the fsync setting."""
    path, page = tmp_path / "deep" / "bench.json", tmp_path / "figures.md"
    tiny = ["--rounds", "1", "--batch", "100", "--ledger-rows", "100", "--memory-records", "10"]
    main(["--sizes", "5", *tiny, "--no-fsync", "--json", str(path), "--markdown", str(page)])
    report = json.loads(path.read_text())
    contenders = ["penstock", *PEERS]
    assert {size: [*timings] for size, timings in report["race"].items()} == {"5": contenders}
    assert [*report["alone"]] == ["clean", *KEYED, *UNCLEAN, *FULL]
    assert all(timing["body_bytes"] > 0 for timing in report["alone"].values())
    names = [figure["name"] for figure in report["figures"]]
    assert names[:-1] == [
        *(f"speed: penstock / {peer} at 5" for peer in PEERS),
        *(
            name
            for mode in KEYED
            for name in (f"time: {mode} / append at 100", f"bytes per record: {mode} / append")
        ),
        *(f"time: {scenario} / clean at 100" for scenario in [*UNCLEAN, *FULL]),
    ]
    assert [row.split(" | ")[0] for row in page.read_text().splitlines()[6:]] == [f"| {name}" for name in names]
    *timed, memory = (figure["value"] for figure in report["figures"])
    assert all(value > 0 for value in timed)
    assert memory >= 0
    assert report["postgres"]["fsync"] == "off"
    assert "fsync off" in capsys.readouterr().out


@pytest.mark.campaign
def test_slow_parts_can_be_skipped(tmp_path: Path) -> None:
    """With 0 ledger rows and 0 memory records, only their scenarios and figures are skipped."""
    path = tmp_path / "bench.json"
    tiny = ["--rounds", "1", "--batch", "100", "--ledger-rows", "0", "--memory-records", "0"]
    main(["--sizes", "5", *tiny, "--no-fsync", "--json", str(path)])
    assert [*json.loads(path.read_text())["alone"]] == ["clean", *KEYED, *UNCLEAN]


def test_a_figure_knows_its_target() -> None:
    """A figure reports whether it reached its target; without a target it reports None."""
    assert Figure("speed", 1.7, at_least=1.7).reached
    assert not Figure("time", 3.1, at_most=3).reached
    assert Figure("speed", 1.0).reached is None
    assert Figure("memory", 1, unit="MiB", at_most=150).target == "<= 150 MiB"
