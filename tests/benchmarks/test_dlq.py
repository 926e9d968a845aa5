"""The benchmark of dead letters runs; what it measures is not asserted."""

import json
from pathlib import Path

import pytest

from benchmarks.dlq import __main__ as deadletters
from benchmarks.dlq.runs import RUNS, measured
from benchmarks.dlq.sqs_stand_in import DEAD, MAIN, refill, stand_in
from penstock.deadletters.scan import leases
from penstock.queue import SqsQueue

PEERS = {"replay of all": ("plain all",), "penstock dlq stats": ("plain all",)}


def test_one_command_measures_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With few dead letters, JSON, page and table have each operation, and every figure that follows."""
    operations = {name: RUNS[name] for name in ("replay of all", "plain all")}
    command = "penstock dlq stats"
    monkeypatch.setattr(deadletters, "RUNS", operations)
    monkeypatch.setattr(deadletters, "COMMANDS", {command: deadletters.COMMANDS[command]})
    monkeypatch.setattr(deadletters, "PEERS", PEERS)
    path, page = tmp_path / "deep" / "bench.json", tmp_path / "figures.md"
    sizes = ["--letters", "40", "--few", "0", "--call-ms", "0"]
    deadletters.main([*sizes, "--json", str(path), "--markdown", str(page)])
    report = json.loads(path.read_text())
    assert {size: [*runs] for size, runs in report["runs"].items()} == {"few": [], "many": [*operations, command]}
    names = [figure["name"] for figure in report["figures"]]
    assert names == [f"speed: {name} / {peer}" for name, peers in PEERS.items() for peer in peers]
    assert [row.split(" | ")[0] for row in page.read_text().splitlines()[6:]] == [f"| {name}" for name in names]
    assert "What it comes to" in capsys.readouterr().out


def test_every_operation_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Penstock's operations and the plain loops leave the queues as they should, and have figures."""
    monkeypatch.setattr(leases, "_WAIT_SECONDS", 0)
    monkeypatch.setattr("benchmarks.dlq.runs.WAIT_SECONDS", 0)
    left = {"replay of a third": 20, "plain third": 20, "replay of all": 0, "plain all": 0}
    with stand_in(0) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        for name, operation in RUNS.items():
            refill(address, 30)
            figures = json.loads(measured(operation(f"{address}/1/{DEAD}", f"{address}/1/{MAIN}")))
            assert figures.keys() == {"seconds", "cpu_seconds", "peak"}
            assert kept(address, DEAD) == left.get(name, 30), name
            assert kept(address, MAIN) == 30 - left.get(name, 30), name


def kept(address: str, queue: str) -> int:
    """Count the messages of a queue of the stand-in."""
    return SqsQueue(f"{address}/1/{queue}").depth().total
