"""The local AWS: it starts after any kind of crash, and leaves the processes of others alone."""

import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import psutil
import pytest

from penstock.local import environment
from penstock.local.aws import ACCESS_KEY, REGION, LocalAws
from penstock.local.errors import StartError, ToolError
from penstock.local.processes import LOOPBACK, is_alive, load_process, save_process, wait_until
from tests.support.project import ROOT

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

ENVIRONMENT = ROOT / ".penstock" / "aws-environment"


@pytest.fixture
def aws(tmp_path: Path) -> Iterator[LocalAws]:
    """A running local AWS."""
    aws = LocalAws(tmp_path / "aws", environment=ENVIRONMENT)
    aws.start()
    yield aws
    aws.stop()


def make_queue(aws: LocalAws) -> str:
    return client(aws).create_queue(QueueName="some")["QueueUrl"]


def queues(aws: LocalAws) -> list[str]:
    return client(aws).list_queues().get("QueueUrls", [])


def client(aws: LocalAws) -> "SQSClient":
    return boto3.client(
        "sqs",
        endpoint_url=aws.endpoint_url,
        region_name=REGION,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=ACCESS_KEY,
    )


def test_a_spike_of_clients_is_let_in(aws: LocalAws) -> None:
    """Hundreds of clients connect while it is busy: none has to try again."""
    process = load_process(aws.folder / "process.json")
    assert process
    process.suspend()
    try:
        with ExitStack() as clients:
            for _ in range(300):
                clients.enter_context(socket.create_connection((LOOPBACK, aws.port), timeout=5))
    finally:
        process.resume()


def test_start_twice(aws: LocalAws) -> None:
    """A second start, also through another object, does not restart the running one."""
    make_queue(aws)
    before = aws.identity
    LocalAws(aws.folder, environment=ENVIRONMENT).start()
    assert aws.identity == before
    assert len(queues(aws)) == 1


def test_listens_on_loopback(aws: LocalAws) -> None:
    """It listens on 127.0.0.1 only, so that no other machine can reach it."""
    process = load_process(aws.folder / "process.json")
    assert process is not None
    listening = {connection.laddr.ip for connection in process.net_connections() if connection.status == "LISTEN"}
    assert listening == {"127.0.0.1"}


def test_stop_and_start(aws: LocalAws) -> None:
    """It stops, and starts again at the same address."""
    url = aws.endpoint_url
    aws.stop()
    stopped = (aws.healthy, aws.identity)
    aws.start()
    assert stopped == (False, None)
    assert aws.healthy
    assert aws.endpoint_url == url


def test_killed(aws: LocalAws) -> None:
    """After its process is killed it is reported as unhealthy, and the next start works."""
    process = load_process(aws.folder / "process.json")
    assert process is not None
    process.kill()
    assert wait_until(lambda: not aws.healthy, 5)
    aws.start()
    assert aws.healthy


def test_deleted_folder(aws: LocalAws) -> None:
    """A start after its folder was deleted works, and the old process is stopped."""
    process = load_process(aws.folder / "process.json")
    assert process is not None
    shutil.rmtree(aws.folder)
    aws.start()
    assert aws.healthy
    assert not is_alive(process)


def test_reset(aws: LocalAws) -> None:
    """A reset deletes the queues and keeps the process."""
    make_queue(aws)
    before = aws.identity
    aws.reset()
    assert queues(aws) == []
    assert aws.identity == before


def test_reset_while_down(tmp_path: Path) -> None:
    """A reset of a stopped local AWS raises an error."""
    aws = LocalAws(tmp_path, environment=ENVIRONMENT)
    with pytest.raises(StartError, match="is not running: call start"):
        aws.reset()


def test_foreign_process_is_left_alone(tmp_path: Path) -> None:
    """A process that got the saved id after ours ended is not identified as ours, and not killed."""
    aws = LocalAws(tmp_path, environment=ENVIRONMENT)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as foreign:
        saved = {"pid": foreign.pid, "started": psutil.Process(foreign.pid).create_time() - 3600}
        (tmp_path / "process.json").write_text(json.dumps(saved))
        assert aws.identity is None
        aws.stop()
        aws.kill()
        assert foreign.poll() is None
        foreign.communicate(b"\n")


def test_load_process(tmp_path: Path) -> None:
    """A saved process is found while it is running, and an invalid file finds nothing."""
    file = tmp_path / "process.json"
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        save_process(psutil.Process(process.pid), file)
        found = load_process(file)
        assert found is not None
        assert found.pid == process.pid
        process.communicate(b"\n")
    assert load_process(file) is None
    for text in ("", "{}", "[]", '{"pid": "x", "started": 1}', '{"pid": 1}'):
        file.write_text(text)
        assert load_process(file) is None


def test_failed_installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failed installation leaves no environment behind, and its error names the failed command."""
    monkeypatch.setattr(environment, "_requirements", lambda: "no-such-thing==1 --hash=sha256:00\n")
    with pytest.raises(ToolError, match=r"could not be installed: `python -m pip` failed:\n"):
        environment.emulator_python(tmp_path / "environment")
    assert not (tmp_path / "environment").exists()


def test_requirements_are_pinned() -> None:
    """Every package of the emulator's environment has one version and hashes, and no URL."""
    text = environment._requirements()
    names = [line for line in text.splitlines() if line and line[0] not in "# "]
    assert len(names) > 10
    assert all("==" in name and name.endswith("\\") for name in names)
    assert "://" not in text
