"""SIGTERM and SIGHUP to a real process: the dead letters are visible right after it has ended."""

import os
import signal
import subprocess
import time

import pytest

from tests.support.cli_stack import PROGRAM, Stack, letter
from tests.support.terminals import Terminal

SECONDS = 30


def wait_until_leased(shop: Stack, count: int) -> None:
    """Wait until a run has leased so many dead letters."""
    end = time.monotonic() + SECONDS
    while shop.dead.depth().in_flight < count:
        assert time.monotonic() < end


def test_a_process_gives_its_leases_back(shop: Stack) -> None:
    """Nothing is leased any more when the process has ended, and its exit code is 143."""
    shop.dead.send([letter(n) for n in range(20)])
    with subprocess.Popen([PROGRAM, "dlq", "list"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        wait_until_leased(shop, 20)
        # A supervisor may send it more than once.
        for number in (signal.SIGTERM, signal.SIGTERM):
            os.kill(process.pid, number)
        assert process.wait(SECONDS) == 128 + signal.SIGTERM
    assert (shop.dead.depth().visible, shop.dead.depth().in_flight) == (20, 0)


@pytest.mark.parametrize("signaled", [True, False])
def test_a_closed_terminal_ends_a_replay_in_order(shop: Stack, signaled: bool) -> None:
    """A replay whose terminal is closed gives its leases back, and what it has not sent is still a dead letter."""
    shop.dead.send([letter(n) for n in range(20)])
    command = [PROGRAM, "dlq", "replay", "--all", "--yes", "--no-record", "--rate", "1"]
    with Terminal(command) as terminal:
        terminal.wait_for("email.requested")
        terminal.hang_up(signaled=signaled)
        assert terminal.process.wait(SECONDS) == 128 + signal.SIGHUP
    assert shop.dead.depth().in_flight == 0
    assert shop.dead.depth().visible + shop.main.depth().visible == 20
