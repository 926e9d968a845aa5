"""SIGTERM and SIGHUP end a command as Ctrl-C does: what it holds is given back, and what it did is recorded."""

import errno
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

ENDING_SIGNALS: Final = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))
"""The signals that end a command in order, besides Ctrl-C. Windows has no SIGHUP."""


@contextmanager
def orderly_end() -> Iterator[None]:
    """Raise SystemExit in the block at SIGTERM (exit code 143) or SIGHUP (129), so that each `finally` runs.

    A signal that is ignored stays ignored, as under `nohup`. Outside the main thread nothing is changed, because
    Python has handlers in the main thread only.
    """
    ours = threading.current_thread() is threading.main_thread()
    numbers = [number for number in ENDING_SIGNALS if ours and signal.getsignal(number) is signal.SIG_DFL]
    for number in numbers:
        signal.signal(number, _end)
    try:
        yield
    finally:
        for number in numbers:
            signal.signal(number, signal.SIG_DFL)


def _end(number: int, _frame: FrameType | None) -> None:
    # A closing terminal sends SIGHUP more than once, and a supervisor may send both. Only the first one counts, or
    # a later one would interrupt the giving back. Ctrl-C still does.
    for one in ENDING_SIGNALS:
        signal.signal(one, signal.SIG_IGN)
    if number != signal.SIGTERM:
        drop_output_to_a_closed_terminal()
    sys.exit(128 + number)


def drop_output_to_a_closed_terminal() -> bool:
    """Send output to nowhere if its terminal is gone: a failed message must not stop the end of the command.

    Returns:
        Whether a terminal is gone.
    """
    import termios  # noqa: PLC0415 (Windows has none)

    is_gone = False
    for descriptor in (1, 2):
        try:
            termios.tcgetattr(descriptor)
        except termios.error as error:
            if error.args[0] == errno.EIO:
                is_gone = True
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, descriptor)
                os.close(nowhere)
    return is_gone
