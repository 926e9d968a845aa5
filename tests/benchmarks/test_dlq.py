"""The benchmark of dead letters runs; its results are not asserted."""

import json
from pathlib import Path

import pytest

from benchmarks.dlq import __main__ as dlq
from benchmarks.dlq.fake_sqs import DEAD, MAIN, fake_sqs, refill
from benchmarks.dlq.operations import OPERATIONS, measure
from penstock.deadletters.scan import leases
from penstock.queue import SqsQueue

PEERS = {"replay of all": ("plain all",), "penstock dlq stats": ("plain all",)}


def test_one_command_measures_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With few dead letters, the JSON, the page and the table have each operation and every figure."""
    operations = {name: OPERATIONS[name] for name in ("replay of all", "plain all")}
    command = "penstock dlq stats"
    monkeypatch.setattr(dlq, "OPERATIONS", operations)
    monkeypatch.setattr(dlq, "COMMANDS", {command: dlq.COMMANDS[command]})
    monkeypatch.setattr(dlq, "PEERS", PEERS)
    path, page = tmp_path / "deep" / "bench.json", tmp_path / "figures.md"
    sizes = ["--letters", "40", "--few", "0", "--call-ms", "0"]
    dlq.main([*sizes, "--json", str(path), "--markdown", str(page)])
    report = json.loads(path.read_text())
    assert {size: [*runs] for size, runs in report["runs"].items()} == {"few": [], "many": [*operations, command]}
    names = [figure["name"] for figure in report["figures"]]
    assert names == [f"speed: {name} / {peer}" for name, peers in PEERS.items() for peer in peers]
    assert [row.split(" | ")[0] for row in page.read_text().splitlines()[6:]] == [f"| {name}" for name in names]
    assert "Figures and targets" in capsys.readouterr().out


def test_every_operation_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Penstock's operations and the plain loops leave the expected messages in both queues, and have figures."""
    monkeypatch.setattr(leases, "_WAIT_SECONDS", 0)
    monkeypatch.setattr("benchmarks.dlq.operations.WAIT_SECONDS", 0)
    left = {"replay of a third": 20, "plain third": 20, "replay of all": 0, "plain all": 0}
    with fake_sqs(0) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        for name, operation in OPERATIONS.items():
            refill(address, 30)
            figures = json.loads(measure(operation(f"{address}/1/{DEAD}", f"{address}/1/{MAIN}")))
            assert figures.keys() == {"seconds", "cpu_seconds", "peak"}
            assert depth(address, DEAD) == left.get(name, 30), name
            assert depth(address, MAIN) == 30 - left.get(name, 30), name


def depth(address: str, queue: str) -> int:
    """Count the messages of a queue of the fake SQS."""
    return SqsQueue(f"{address}/1/{queue}").depth().total
