"""The program: exit codes, error messages, help."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import (
    ClientError,
    CredentialRetrievalError,
    TokenRetrievalError,
)

from penstock.cli.support.explanation import explain, redact
from penstock.queue import Outgoing, QueueError
from tests.support.cli_stack import PROGRAM, Ended, Run, Stack, id_of, letter, record

UNREACHABLE_ENDPOINT = "http://127.0.0.1:1"


def test_an_unreachable_endpoint_has_no_traceback(folder: Path, run: Run) -> None:
    """The error of an unreachable endpoint has a traceback only with --debug, which can stand anywhere."""
    record(folder, endpoint_url=UNREACHABLE_ENDPOINT)
    ended = run("dlq", "list", "--service", "shop")
    assert ended.code == 1
    assert "penstock local up" in ended.err
    assert "Traceback" not in ended.err
    assert "Traceback" in run("dlq", "list", "--service", "shop", "--debug").err


@pytest.mark.parametrize(
    "error",
    [
        TokenRetrievalError(provider="sso", error_msg="Token has expired and refresh failed"),
        CredentialRetrievalError(provider="custom-process", error_msg="exit 1"),
        ClientError({"Error": {"Code": "InvalidToken", "Message": "malformed"}}, "ReceiveMessage"),
        ClientError({"Error": {"Code": "RequestExpired", "Message": "old"}}, "ReceiveMessage"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_expired_credentials_exit_with_4(error: Exception) -> None:
    """An expired single sign-on session, or a failed credential process, exits with 4."""
    text, code = explain(error)
    assert code == 4
    assert "--profile" in text


def test_expired_credentials_are_found_in_the_cause() -> None:
    """An expired token exits with 4 also as the cause of another error."""
    expired = ClientError({"Error": {"Code": "ExpiredToken", "Message": "The token is old"}}, "ReceiveMessage")
    error = QueueError("the queue cannot be read")
    error.__cause__ = expired
    text, code = explain(error)
    assert code == 4
    assert "The token is old" in text


def test_passwords_are_redacted() -> None:
    """URLs and connection strings keep everything but their passwords."""
    assert redact("at postgresql://u:p@ss/w@h:1/x!") == "at postgresql://u:***@h:1/x!"
    assert redact("host=h password='a b' user=u") == "host=h password=*** user=u"


def penstock(*words: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run the command as a process."""
    return subprocess.run([PROGRAM, *words], capture_output=True, text=True, check=False, timeout=60, **options)


@pytest.mark.slow
def test_the_program_runs() -> None:
    """The installed command prints its version, and wrong usage is an error on stderr with exit code 2."""
    assert penstock("--version").stdout == penstock("--version", "--debug").stdout == "penstock 0.1.0\n"
    wrong = penstock("dlq", "nosuch")
    assert (wrong.returncode, wrong.stdout) == (2, "")


def test_characters_outside_of_the_encoding_are_escaped(shop: Stack) -> None:
    """A kind with characters that the encoding of stdout lacks is printed with escapes, and the run continues."""
    body = {"specversion": "1.0", "id": id_of(1), "type": "\u4f60\u597d", "data": {}}
    shop.dead.send([Outgoing(json.dumps(body)), letter(2)])
    variables = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    ended = penstock("dlq", "replay", "--all", "--yes", env=variables, cwd=shop.folder)
    assert (ended.returncode, len(ended.stdout.splitlines())) == (0, 2)
    assert "\\u4f60" in ended.stdout
    assert shop.main.depth().total == 2


def test_the_version_imports_no_command() -> None:
    """--version imports nothing that only the commands need."""
    code = "import atexit, sys; from penstock.cli import main; atexit.register(lambda: print(*sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; main(['--version'])"], capture_output=True, text=True, check=True
    )
    assert not {"typer", "sqlalchemy", "alembic"} & set(done.stdout.split())


def test_a_missing_extra_is_named() -> None:
    """Without Typer the command prints in one line what to install, and exits with 1."""
    code = "import sys; sys.modules['typer'] = None; from penstock.cli import main; main(['--version'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "penstock: the command line is not installed: pip install 'penstock-postgres[cli]'\n"


@pytest.mark.parametrize("module", ["penstock.cli.run", "penstock.cli.commands.check"])
def test_an_interrupt_of_the_start_has_no_traceback(
    run: Run, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    """Ctrl-C while the packages of a command load prints nothing, and exits with 130."""

    class Interrupting:
        def find_spec(self, name: str, *_: object) -> None:
            if name == module:
                raise KeyboardInterrupt

    monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setattr(sys, "meta_path", [Interrupting(), *sys.meta_path])
    assert run("check") == Ended(130, "", "")


@pytest.mark.parametrize(
    "words",
    [
        *((), ("dlq",), ("dlq", "list"), ("dlq", "replay"), ("db",), ("db", "upgrade"), ("db", "prune")),
        *(("check",), ("status",), ("top",), ("audit",), ("ledger",), ("ledger", "show")),
        *(("breaker",), ("breaker", "status"), ("breaker", "open"), ("breaker", "close")),
    ],
)
def test_every_command_has_help_with_an_example(run: Run, words: tuple[str, ...]) -> None:
    """Help is printed on stdout, and has an example."""
    ended = run(*words, "--help")
    assert ended.code == 0
    assert "Example" in ended.out
    assert "\x1b" not in ended.out
