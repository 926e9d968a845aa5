"""`penstock doctor` on the deployed service: its stack, its live settings, its database."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from penstock.local import state
from penstock.local.state import LocalState
from tests.support.cli_stack import Run
from tests.support.deployed import aws

pytestmark = [pytest.mark.xdist_group("deployment"), pytest.mark.timeout(300)]

Doctor = Callable[[], dict[str, dict[str, Any]]]


@pytest.fixture
def doctor(live: LocalState, folder: Path, run: Run) -> Doctor:
    """The command, in a folder where the stack is recorded; it gives the faults and warnings by their rules."""
    (folder / "serverless.yml").write_text(f"service: {live.service}\n")
    (folder / state.FOLDER).mkdir()
    state.write(folder / state.FOLDER, live)

    def examine() -> dict[str, dict[str, Any]]:
        done = run("doctor", "--stage", "local", "--json")
        assert done.code in {0, 10}, done.err
        assert "14 connections at most" in done.err
        assert not [one for one in done.rows if "its live settings" in one["problem"]], "everything can be read"
        return {one["rule"]: one for one in done.rows if one["verdict"] != "note"}

    return examine


def test_the_deployed_service(doctor: Doctor) -> None:
    """Nothing is wrong with the service as it was deployed, but that its database has no idle timeouts yet."""
    assert doctor().keys() == {"idle-timeouts"}


def test_a_change_in_the_console(doctor: Doctor, live: LocalState) -> None:
    """A setting that was changed after the deployment is found, and gone again with the change."""
    queue = {"QueueUrl": live.queue_url}
    sqs, functions, drain = aws(live, "sqs"), aws(live, "lambda"), f"{live.service}-local-drain"
    (mapping,) = functions.list_event_source_mappings(FunctionName=drain)["EventSourceMappings"]
    sqs.set_queue_attributes(**queue, Attributes={"VisibilityTimeout": "100"})
    functions.update_event_source_mapping(UUID=mapping["UUID"], ScalingConfig={"MaximumConcurrency": 9})
    try:
        found = doctor()
    finally:
        sqs.set_queue_attributes(**queue, Attributes={"VisibilityTimeout": "181"})
        functions.update_event_source_mapping(UUID=mapping["UUID"], ScalingConfig={"MaximumConcurrency": 5})
    assert found.keys() == {"idle-timeouts", "visibility", "concurrency"}
    assert "is 100 s" in found["visibility"]["problem"]
    assert "may invoke 9 drains at once, and 5 are reserved" in found["concurrency"]["problem"]
    assert doctor().keys() == {"idle-timeouts"}
