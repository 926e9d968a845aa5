"""`penstock top`: a stage live, on the whole screen."""

import os
import sys
import threading

from rich.console import Console
from rich.live import Live

from penstock.cli.status.command import EveryOption
from penstock.cli.status.dashboard import History, dashboard
from penstock.cli.status.snapshot import Snapshot, SnapshotReader
from penstock.cli.support.database import DatabaseOption
from penstock.cli.support.errors import USAGE, Failure
from penstock.cli.support.options import Target, on_stage

EPILOG = "Examples: penstock top · penstock top --stage dev --every 5"

_LOOK_SECONDS = 0.2
"""A new size of the terminal is seen, and a new snapshot shown, within so long."""


@on_stage
def top(*, at: Target, every: EveryOption = 2.0, database_url: DatabaseOption = None) -> None:
    """Show a stage live: the queue, the drain, dead letters and what they died of. q leaves.

    Nothing is received from a queue, and there is nothing of a payload on the screen.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()) or os.environ.get("TERM", "dumb") == "dumb":
        raise Failure("this is no terminal to draw on: `penstock status --watch` prints lines", USAGE)
    with SnapshotReader(at, database_url) as gauge:
        _show(_Feed(gauge, every))


class _Feed(threading.Thread):
    """Takes snapshots beside the screen, which a slow answer must not hold up."""

    def __init__(self, gauge: SnapshotReader, seconds: float) -> None:
        super().__init__(daemon=True)
        self.latest: Snapshot | None = None
        self.failed: Exception | None = None
        self.over = threading.Event()
        self._gauge = gauge
        self._seconds = seconds

    def run(self) -> None:
        """Take one after the other until it is over."""
        try:
            while not self.over.is_set():
                self.latest = self._gauge.read()
                self.over.wait(self._seconds)
        except Exception as error:  # noqa: BLE001 (told by the thread that has the screen)
            self.failed = error


def _show(feed: _Feed) -> None:
    """Draw until q is pressed.

    Raises:
        Exception: whatever ended the feed.
    """
    try:
        from penstock.cli.status.keys import key_by_key, pressed  # noqa: PLC0415 (there is no termios on Windows)
    except ImportError:
        raise Failure("there is no such terminal here: `penstock status --watch` prints lines", USAGE) from None
    console, history, shown = Console(), History(), None
    feed.start()
    with key_by_key(), Live(console=console, screen=True, auto_refresh=False) as live:
        while feed.failed is None:
            if feed.latest is not shown and feed.latest is not None:
                history.add(feed.latest)
            shown = feed.latest
            live.update(dashboard(shown, history, console.width), refresh=True)
            if "q" in pressed(_LOOK_SECONDS).lower():
                feed.over.set()
                return
    raise feed.failed
