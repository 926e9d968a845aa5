"""`penstock top` on a pseudo-terminal: keys, signals, and the terminal afterwards."""

import re
import signal
import sys
from collections.abc import Callable, Iterator

import pytest

from demo.picture import letters_picture, main_picture
from tests.support.cli_stack import Run
from tests.support.project import ROOT
from tests.support.terminals import Terminal

APP = """
import time
from demo.picture import InventedReader, invented_stage, snapshots
from penstock.cli.top.app import TopApp
from penstock.cli.top.command import show
from penstock.cli.top.session import Session
from penstock.testing.clock import ManualClock

class Reader(InventedReader):
    def read(self):
        {before}
        return super().read()

def stage():
    {opening}
    return invented_stage(ManualClock())

show(TopApp(Reader(snapshots()), Session(stage), seconds=0.1, stage_options=""))
"""


def terminal_of(before: str = "pass", opening: str = "pass") -> Terminal:
    return Terminal([sys.executable, "-c", APP.format(before=before, opening=opening)], cwd=ROOT)


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    with terminal_of() as terminal:
        yield terminal


def test_q_leaves_and_restores_the_terminal(terminal: Terminal) -> None:
    """It draws on the alternate screen at any size, and after q the terminal is as before."""
    terminal.wait_for("\x1b[?1049h")
    terminal.wait_for("shop-production")
    for rows, columns in ((50, 200), (3, 7), (24, 80)):
        terminal.resize(rows, columns)
        terminal.wait_for("\x1b[")
    terminal.wait_for("on the queue")
    terminal.press("q")
    assert terminal.ended() == 0
    assert terminal.restored


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_signals_restore_the_terminal(terminal: Terminal, number: signal.Signals) -> None:
    """A signal that ends the process restores the terminal first, and is in the exit code."""
    terminal.wait_for("shop-production")
    terminal.process.send_signal(number)
    assert terminal.ended() == 128 + number
    assert terminal.restored


def test_late_answers_do_not_block_the_keys() -> None:
    """While the first snapshot is being read, and the stage is being opened, q quits at once."""
    with terminal_of(before="time.sleep(600)", opening="time.sleep(600)") as terminal:
        terminal.wait_for("reading")
        terminal.press("b")
        terminal.wait_for("turn the drain off")
        terminal.press("o")
        terminal.wait_for("Why is the drain")
        terminal.press("q\x03")
        assert terminal.ended() == 0
        assert terminal.restored


def test_it_needs_a_terminal(run: Run) -> None:
    """Without a terminal the exit code is 2, and the error names the command that prints lines."""
    ended = run("top", "--stage", "dev")
    assert (ended.code, ended.out) == (2, "")
    assert "penstock status --watch --json" in ended.err


@pytest.mark.parametrize(("name", "draw"), [("top.svg", main_picture), ("top-letters.svg", letters_picture)])
def test_the_pictures_are_up_to_date(name: str, draw: Callable[[], str]) -> None:
    """The pictures are what `make picture` draws, load nothing from elsewhere, and are on a page."""
    drawn = draw()
    assert (ROOT / "docs" / name).read_text() == drawn
    assert not re.search(r"url\(http|@import|href=", drawn)
    assert f"]({name})" in (ROOT / "docs" / "watching.md").read_text()
