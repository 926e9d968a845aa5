"""Serving a console on 127.0.0.1 until Ctrl-C."""

import os
import signal
import socket
import sys
import threading
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

import uvicorn

from penstock.cli.console.app import build
from penstock.cli.console.sampler import Sampler
from penstock.cli.console.state import Console
from penstock.cli.operate.stage import OperatedStage
from penstock.cli.status.snapshot import SnapshotReader
from penstock.cli.support.errors import CONFLICT, Failure
from penstock.cli.support.options import Target
from penstock.cli.support.output import echo_err

_HOST: Final = "127.0.0.1"
_GRACE_SECONDS: Final = 2.0
_NO_SCREEN: Final = sys.platform == "linux" and not (
    os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
)
"""Without a screen the browser would be one in the terminal, or none."""


def serve(
    at: Target, database_url: str | None, drain: str | None, *, port: int, allow_changes: bool, open_browser: bool
) -> None:
    """Serve a console until Ctrl-C.

    Args:
        at: the stage.
        database_url: the value of --database-url.
        drain: the drain as `MODULE:ATTRIBUTE`; None for the one that the configuration names.
        port: the port; 0 for any free one.
        allow_changes: whether the pages can change something.
        open_browser: whether to open a browser.

    Raises:
        Failure: the stage cannot be opened, or the port is in use.
    """
    stage = OperatedStage.open(at, database_url, drain)
    with SnapshotReader(at, database_url) as reader, listen(port) as listener:
        own_port = listener.getsockname()[1]
        sampler = Sampler(reader.read)
        console = Console(stage, at.open().stack, at, sampler, allow_changes, own_port)
        sampler.start()
        with running(console, listener):
            url = console.link()
            sys.stdout.write(f"{url}\n")
            sys.stdout.flush()
            changes = "changes are allowed" if allow_changes else "read-only"
            echo_err(f"The console of {console.stack}, {changes}. The link works once. Ctrl-C ends the console.")
            if open_browser and not _NO_SCREEN:
                webbrowser.open(url)
            _wait_for_the_end()
    _leave_at_once()


@contextmanager
def listen(port: int) -> Iterator[socket.socket]:
    """Listen on a port of 127.0.0.1; 0 for any free one.

    Raises:
        Failure: the port is in use.
    """
    try:
        listener = socket.create_server((_HOST, port))
    except OSError as error:
        raise Failure(
            f"port {port}: {error.strerror or error}\nGive another --port, or leave it out", CONFLICT
        ) from error
    with listener:
        yield listener


@contextmanager
def running(console: Console, listener: socket.socket) -> Iterator[None]:
    """Run the server in a thread: the main thread waits for the signals, so that none is lost."""
    config = uvicorn.Config(
        build(console),
        access_log=False,  # It would print the token of the link.
        # An error is a page. Only those who look for its cause want the traceback.
        log_level="warning" if "--debug" in sys.argv else "critical",
        lifespan="off",
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=1,
        ws="none",
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],), name="penstock-console", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        if console.tasks.running:
            echo_err("Stopping what runs; leases are given back.")
        console.stop()
        thread.join(_GRACE_SECONDS)


def _wait_for_the_end() -> None:
    """Wait for Ctrl-C, or for a signal that ends the process."""
    ended = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        ended.set()

    names = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows has no SIGHUP.
    numbers = [signal.Signals[name] for name in names if name in signal.Signals.__members__]
    before = {number: signal.signal(number, end) for number in numbers}
    try:
        ended.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _leave_at_once() -> None:
    """End the process if a page still waits for AWS or the database: nobody reads its answer any more."""
    waiting = [one for one in threading.enumerate() if one is not threading.main_thread() and not one.daemon]
    if waiting:
        sys.stderr.flush()
        os._exit(0)
