"""`penstock top`: a stage on the whole screen, and what an operator does with it."""

import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from penstock.cli.status.command import EveryOption
from penstock.cli.support.database import DatabaseOption
from penstock.cli.support.errors import USAGE, Failure
from penstock.cli.support.options import Target, on_stage
from penstock.cli.support.output import echo_err
from penstock.cli.support.service import DrainOption

if TYPE_CHECKING:
    from penstock.cli.top.app import TopApp
    from penstock.cli.top.threads import Threads

EPILOG = "Examples: penstock top · penstock top --stage dev --every 5"

_CLEAN_UP_SECONDS = 20.0
"""Giving back the leases of a page of dead letters takes a second; of a large queue a few."""


@on_stage
def top(
    *, at: Target, every: EveryOption = 2.0, database_url: DatabaseOption = None, drain: DrainOption = None
) -> None:
    """Show a stage live, and operate it: its dead letters by cause, trials, replays and the breaker.

    The first screen receives no message from a queue, and shows no payload. Everything that changes something asks
    first. Press ? for the keys, q to quit.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()) or os.environ.get("TERM", "dumb") == "dumb":
        raise Failure(
            "top needs a terminal: `penstock status --watch --json` prints a line for each snapshot", USAGE
        )
    # Textual takes half a second to import, and no other command needs it.
    from penstock.cli.operate.stage import OperatedStage  # noqa: PLC0415
    from penstock.cli.top.app import TopApp  # noqa: PLC0415
    from penstock.cli.top.reader import StageReader  # noqa: PLC0415
    from penstock.cli.top.session import Session  # noqa: PLC0415

    with StageReader(at, database_url) as reader:
        session = Session(lambda: OperatedStage.open(at, database_url, drain))
        show(TopApp(reader, session, seconds=every, stage_options=at.words))


def show(app: "TopApp") -> None:
    """Run the app until it ends, and then let work end that has to clean up.

    Raises:
        Exception: an error that nobody expected ended it.
        SystemExit: a signal ended it.
    """
    try:
        app.run()
    finally:
        _finish(app.session.threads)
    if app.fault:
        raise app.fault
    if app.return_code:
        sys.exit(app.return_code)


def _finish(threads: "Threads") -> None:
    """Let work end that has to clean up, also if the terminal is gone."""
    if threads.must_clean_up:
        with suppress(OSError):
            echo_err("finishing what was begun, and giving leases back …")
        if not threads.stop_all(_CLEAN_UP_SECONDS):
            with suppress(OSError):
                echo_err("not all of it has ended: leases end by themselves within minutes")
