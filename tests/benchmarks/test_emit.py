"""The benchmark of emitting runs; its results are not asserted."""

import json
from functools import partial
from pathlib import Path

import pytest

from benchmarks.emit import __main__ as emit
from benchmarks.emit.rounds import time_in_processes

HANDLERS = ["bare", "emit", "HttpApi"]
STARTS = ["HttpApi", "HttpApi, its key a secret"]
IMPORTS = ["penstock", "HttpApi", "parts of HttpApi"]


# It starts a dozen processes, one after the other: a busy machine takes minutes.
@pytest.mark.timeout(600)
def test_one_command_measures_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With tiny sizes, the JSON and the table have every figure, against the stub and the local AWS."""
    monkeypatch.setattr(emit, "MARKS", (10,))
    monkeypatch.setattr(emit, "time_in_processes", partial(time_in_processes, warm_up=0))
    path = tmp_path / "deep" / "bench.json"
    tiny = ["--intents", "25", "--rounds", "1", "--requests", "2", "--imports", "1", "--stub-ms", "1"]
    page = tmp_path / "figures.md"
    tiny += ["--memory", "20"]
    emit.main([*tiny, "--json", str(path), "--markdown", str(page)])
    report = json.loads(path.read_text())
    endpoints = ["stub, 1 ms per call", "local"]
    assert {title: [*table] for title, table in report["tables"].items()} == {
        **{f"burst of 25 intents, {endpoint}": ["penstock", "packed", "loop"] for endpoint in endpoints},
        **{f"one request, {endpoint}": HANDLERS for endpoint in endpoints},
        "start to first answer, local": ["bare", *STARTS],
        "import of a producer function, processor time": ["bare", *IMPORTS],
    }
    assert [figure["name"] for figure in report["figures"]] == [
        name
        for endpoint in endpoints
        for name in (
            f"speed: emit_many / plain loop, {endpoint}",
            f"speed: packed / plain loop, {endpoint}",
            *(f"time: {one} / bare, {at}, {endpoint}" for one in HANDLERS[1:] for at in ("p50", "p99")),
        )
    ] + [f"start: {one} / bare" for one in STARTS] + [f"import: {one} / bare" for one in IMPORTS] + [
        "memory: 20 requests above 10"
    ]
    assert all(figure["value"] > 0 for figure in report["figures"][:-1])
    assert all(f"| {figure['name']} |" in page.read_text() for figure in report["figures"])
    assert "Figures and targets" in capsys.readouterr().out
