"""`penstock console` as a process: the link on stdout, Ctrl-C, and what is missing."""

import signal
import socket
import subprocess
from importlib.util import find_spec
from typing import Any

import httpx
import pytest

from tests.support.cli_stack import PROGRAM, Run, Stack, letter


def test_a_console_of_a_stage_ends_at_once(shop: Stack) -> None:
    """The link is the only line on stdout; the pages read the stage; Ctrl-C ends it with a page open."""
    shop.dead.send([letter(1), letter(2)])
    command = [PROGRAM, "console", "--no-open"]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process,
        httpx.Client(trust_env=False, timeout=30, follow_redirects=True) as client,
    ):
        assert process.stdout
        link = process.stdout.readline().strip()
        base = link.split("/enter?token=")[0]
        assert client.get(link).status_code == 200
        while "Read at" not in (text := client.get(f"{base}/causes").text):
            assert "Reading" in text
        assert "2 dead letters, 1 cause" in text
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (0, "")
    assert "read-only" in err
    assert "Traceback" not in err


def test_a_port_in_use(shop: Stack, run: Run) -> None:
    """A port that another program has is an error with the way out."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        ended = run("console", "--no-open", "--port", str(port))
    assert ended.code == 5
    assert f"port {port}: Address already in use" in ended.err


def test_a_missing_extra_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its packages, the command names the extra to install."""

    def find(name: str, *more: Any) -> Any:
        return None if name == "uvicorn" else find_spec(name, *more)

    monkeypatch.setattr("penstock.cli.console.command.find_spec", find)
    ended = run("console")
    assert ended.code == 2
    assert "pip install 'penstock-postgres[console]'" in ended.err
