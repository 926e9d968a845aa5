"""A terminal that is read key by key, and as it was before once that is over, however it ends."""

import os
import select
import signal
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_ENDS = (signal.SIGTERM, signal.SIGHUP)


@contextmanager
def key_by_key() -> Iterator[None]:
    """Read keys as they are pressed, without showing them. Ctrl-C still interrupts; Ctrl-Z does nothing.

    What ends this process, SIGKILL apart, puts the terminal back first.
    """
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    handlers = {number: signal.signal(number, _end) for number in _ENDS}
    # A shell that takes over would find a terminal that shows nothing of what is typed.
    handlers[signal.SIGTSTP] = signal.signal(signal.SIGTSTP, signal.SIG_IGN)
    try:
        tty.setcbreak(descriptor)
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
        for number, handler in handlers.items():
            signal.signal(number, handler)


def pressed(seconds: float) -> str:
    """Return the keys that are pressed within so many seconds, as soon as there is one."""
    descriptor = sys.stdin.fileno()
    ready, _, _ = select.select([descriptor], [], [], seconds)
    if not ready:
        return ""
    # At the end of input there is nobody to press q.
    return os.read(descriptor, 64).decode(errors="replace") or "q"


def _end(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)
