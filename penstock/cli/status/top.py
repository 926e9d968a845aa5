"""`penstock top`: the live state of a stage on the whole screen."""

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

_REFRESH_SECONDS = 0.2
"""A new snapshot, or a new size of the terminal, is shown within this time."""


@on_stage
def top(*, at: Target, every: EveryOption = 2.0, database_url: DatabaseOption = None) -> None:
    """Show a stage live: the queue, the drain, the dead letters and their causes. Press q to quit.

    No message is received from a queue, and no payload is shown.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()) or os.environ.get("TERM", "dumb") == "dumb":
        raise Failure("top needs a terminal: `penstock status --watch` prints lines", USAGE)
    with SnapshotReader(at, database_url) as reader:
        _show(_Poller(reader, every))


class _Poller(threading.Thread):
    """Reads snapshots in a thread of its own, so that a slow answer does not block the screen."""

    def __init__(self, reader: SnapshotReader, seconds: float) -> None:
        super().__init__(daemon=True)
        self.latest: Snapshot | None = None
        self.error: Exception | None = None
        self.stopping = threading.Event()
        self._reader = reader
        self._seconds = seconds

    def run(self) -> None:
        """Read one snapshot after the other until `stopping` is set."""
        try:
            while not self.stopping.is_set():
                self.latest = self._reader.read()
                self.stopping.wait(self._seconds)
        except Exception as error:  # noqa: BLE001 (raised by the thread that has the screen)
            self.error = error


def _show(poller: _Poller) -> None:
    """Draw each snapshot until q is pressed.

    Raises:
        Exception: the error that ended the poller.
    """
    try:
        from penstock.cli.status.keys import cbreak_mode, read_keys  # noqa: PLC0415 (Windows has no termios)
    except ImportError:
        raise Failure("top does not run on this system: `penstock status --watch` prints lines", USAGE) from None
    console, history, shown = Console(), History(), None
    poller.start()
    with cbreak_mode(), Live(console=console, screen=True, auto_refresh=False) as live:
        while poller.error is None:
            latest = poller.latest
            if latest is not None and latest is not shown:
                history.add(latest)
            shown = latest
            live.update(dashboard(shown, history, console.width), refresh=True)
            if "q" in read_keys(_REFRESH_SECONDS).lower():
                poller.stopping.set()
                return
    raise poller.error
