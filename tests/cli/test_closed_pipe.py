"""A reader that goes away, such as `head`, is no failure."""

import os
import subprocess

import pytest

from tests.support.cli_stack import PROGRAM, Stack, letter


def without_reader(*words: str) -> tuple[int, str]:
    """Run a command whose stdout nobody reads; return the exit code and stderr."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [PROGRAM, *words], stdout=writer, stderr=subprocess.PIPE, text=True, check=False, timeout=60
        )
    finally:
        os.close(writer)
    return done.returncode, done.stderr


@pytest.mark.parametrize("words", [["dlq", "list", "--json"], ["dlq", "replay", "--all", "--dry-run"], ["status"]])
def test_without_a_reader(shop: Stack, words: list[str]) -> None:
    """It ends with 141 as after SIGPIPE, without an error message, and every message is visible again."""
    shop.dead.send([letter(number) for number in range(5)])
    code, err = without_reader(*words)
    assert code == 141
    assert not [word for word in ("Traceback", "penstock: ", "Exception ignored") if word in err]
    assert shop.dead.depth().visible == 5


def test_without_stdout(shop: Stack) -> None:
    """With stdout closed from the start the data goes nowhere, and the leases are given back."""
    shop.dead.send([letter(1)])
    command = ["/bin/sh", "-c", f"{PROGRAM} dlq list >&-"]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False, timeout=60)
    assert (done.returncode, "1 dead letter." in done.stderr) == (0, True)
    assert shop.dead.depth().visible == 1
