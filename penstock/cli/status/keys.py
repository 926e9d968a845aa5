"""Reading a terminal key by key, and restoring it afterwards, also when a signal ends the process."""

import os
import select
import signal
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_TERMINATING_SIGNALS = (signal.SIGTERM, signal.SIGHUP)


@contextmanager
def cbreak_mode() -> Iterator[None]:
    """Read keys as they are pressed, without echo. Ctrl-C still interrupts; Ctrl-Z does nothing.

    The terminal is restored before the process ends, except after SIGKILL.
    """
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    handlers = {number: signal.signal(number, _exit) for number in _TERMINATING_SIGNALS}
    # A suspended process would leave the shell a terminal without echo.
    handlers[signal.SIGTSTP] = signal.signal(signal.SIGTSTP, signal.SIG_IGN)
    try:
        tty.setcbreak(descriptor)
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
        for number, handler in handlers.items():
            signal.signal(number, handler)


def read_keys(seconds: float) -> str:
    """Return the keys that are pressed, as soon as there is one; "" if there is none within these seconds."""
    descriptor = sys.stdin.fileno()
    ready, _, _ = select.select([descriptor], [], [], seconds)
    if not ready:
        return ""
    # At the end of the input q can no longer be pressed.
    return os.read(descriptor, 64).decode(errors="replace") or "q"


def _exit(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)
