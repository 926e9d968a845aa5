"""`penstock top`: on a pseudo-terminal, with invented figures."""

import io
import re
import signal
import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest
from rich.console import Console

from demo.picture import picture, snapshot, snapshots
from penstock.cli.status.dashboard import History, dashboard, sparkline
from penstock.consumer.breaker.manual import BreakerStatus
from penstock.database.ledger_stats import DeadCause
from tests.support.cli_stack import Run
from tests.support.project import ROOT
from tests.support.terminals import Terminal

FAKE = """
import sys, time
from itertools import cycle
from demo.picture import snapshots
from penstock.cli.status import top

class FakeReader:
    def __init__(self, seconds):
        self.made, self.seconds = cycle(snapshots()), seconds
    def read(self):
        time.sleep(self.seconds)
        {then}
        return next(self.made)

top._show(top._Poller(FakeReader({seconds}), 0.05))
"""


def command(seconds: float = 0.0, then: str = "pass") -> list[str]:
    return [sys.executable, "-c", FAKE.format(seconds=seconds, then=then)]


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    with Terminal(command(), cwd=ROOT) as terminal:
        yield terminal


def test_q_leaves_and_restores_the_terminal(terminal: Terminal) -> None:
    """It draws on the alternate screen, and after q the terminal is as before."""
    terminal.wait_for("\x1b[?1049h")
    terminal.wait_for("shop-production")
    terminal.wait_for("duration_within_a_day")
    terminal.press("xq")
    assert terminal.ended() == 0
    assert terminal.restored


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_restore_the_terminal(terminal: Terminal, number: signal.Signals) -> None:
    """A signal that ends the process restores the terminal first."""
    terminal.wait_for("q to quit")
    terminal.process.send_signal(number)
    assert terminal.ended() != 0
    assert terminal.restored


def test_a_fault_restores_the_terminal() -> None:
    """An error of a snapshot ends it, restores the terminal and is printed."""
    with Terminal(command(then="raise RuntimeError('nothing there')"), cwd=ROOT) as terminal:
        assert terminal.ended() != 0
        assert "nothing there" in terminal.screen
        assert "\x1b[?1049l" in terminal.screen


def test_a_late_answer_does_not_block_the_keys() -> None:
    """While the first snapshot is being read, q quits at once."""
    with Terminal(command(seconds=600), cwd=ROOT) as terminal:
        terminal.wait_for("q to quit")
        terminal.press("q")
        assert terminal.ended() == 0
        assert terminal.restored


def test_any_size_of_terminal_does(terminal: Terminal) -> None:
    """It survives every change of size, down to a screen that is too small for anything."""
    terminal.wait_for("shop-production")
    for rows, columns in ((50, 200), (10, 30), (1, 1), (3, 7), (24, 80)):
        terminal.resize(rows, columns)
        terminal.wait_for("\x1b[")
    terminal.wait_for("duration_within_a_day")
    terminal.press("q")
    assert terminal.ended() == 0


def test_it_needs_a_terminal(run: Run) -> None:
    """Without a terminal the exit code is 2, and the error names the command that prints lines."""
    ended = run("top", "--stage", "dev")
    assert (ended.code, ended.out) == (2, "")
    assert "penstock status --watch" in ended.err


@pytest.mark.parametrize("width", [1, 5, 40, 80, 300])
def test_it_is_drawn_at_any_width(width: int) -> None:
    """No line is wider than the screen, before the first snapshot and after."""
    history = History()
    for shown in (None, *list(snapshots())[-2:]):
        if shown:
            history.add(shown)
        console = Console(file=io.StringIO(), width=width, record=True)
        console.print(dashboard(shown, history, width))
        assert max(map(len, console.export_text().splitlines())) <= width


def test_unknown_parts_have_their_reasons() -> None:
    """Parts that could not be read are shown with their reasons, and leave a gap in the history."""
    errors = {"queue": "ReceiveMessage: AccessDenied", "database": "no route", "breaker": "AccessDenied"}
    blind = replace(snapshot(), queue=None, figures=None, breaker=None, errors=errors)
    history = History()
    for each in (snapshot(depth=5), blind, snapshot(depth=5)):
        history.add(each)
    console = Console(file=io.StringIO(), width=100, record=True)
    console.print(dashboard(blind, history, 100))
    drawn = console.export_text()
    assert all(reason in drawn for reason in errors.values())
    assert "█·█" in drawn
    assert "breaker unknown" in drawn


def test_the_breaker_stands_out() -> None:
    """An open breaker is in the first line, and a line below says who opened it and why."""
    opened = replace(snapshot(), breaker=BreakerStatus("open", "operator", "alice: index build", "Disabled"))
    console = Console(file=io.StringIO(), width=100, record=True)
    console.print(dashboard(opened, History(), 100))
    lines = console.export_text().splitlines()
    assert "breaker open" in lines[0]
    assert any("open by operator: alice: index build" in line for line in lines)


def test_a_senders_text_is_escaped() -> None:
    """A kind from an unknown sender acts neither as markup nor as a control sequence."""
    figures = snapshot().figures
    assert figures
    hostile = replace(figures, causes=[DeadCause("[red]x\x1b[31m\n", "r", None, None, 1)])
    console = Console(file=io.StringIO(), width=100, record=True)
    console.print(dashboard(replace(snapshot(), figures=hostile), History(), 100))
    assert "[red]x\N{REPLACEMENT CHARACTER}[31m" in console.export_text()


@pytest.mark.parametrize(
    ("values", "drawn"),
    [
        ([], ""),
        ([0, 0], "▁▁"),
        ([None, 1, None], "·█·"),
        ([0, 1, 2, 3, 4, 5, 6, 7], "▁▂▃▄▅▆▇█"),
        ([100] * 20, "█" * 8),
        ([1e308, 1e308], "██"),
    ],
)
def test_sparklines(values: list[float | None], drawn: str) -> None:
    """Bars go from zero to the greatest value that is shown."""
    assert sparkline(values, 8) == drawn


def test_the_picture_is_up_to_date() -> None:
    """docs/top.svg is what `make picture` draws, loads nothing from elsewhere, and is on a page."""
    drawn = picture()
    assert (ROOT / "docs" / "top.svg").read_text() == drawn
    assert not re.search(r"url\(http|@import|href=", drawn)
    assert "](top.svg)" in (ROOT / "docs" / "watching.md").read_text()
