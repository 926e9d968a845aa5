"""Confirmations on a terminal."""

import os
import signal
import sys
from threading import Event, Thread

import pytest

from penstock.cli.support.confirm import confirm

SECONDS = 20


def test_ctrl_c_just_before_the_answer_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal that does not interrupt the wait for the answer ends it all the same, without another key."""
    controller, terminal = os.openpty()
    ended = Event()
    lines_typed: list[int] = []

    def press() -> None:
        os.read(controller, 100)
        os.kill(os.getpid(), signal.SIGINT)
        if not ended.wait(SECONDS):
            lines_typed.append(os.write(controller, b"y\n"))

    with (
        os.fdopen(terminal, "r", encoding="utf-8") as stdin,
        os.fdopen(os.dup(terminal), "w", encoding="utf-8") as stderr,
        monkeypatch.context() as patch,
    ):
        patch.setattr(sys, "stdin", stdin)
        patch.setattr(sys, "stderr", stderr)
        pressing = Thread(target=press)
        pressing.start()
        # The kernel gives the signal to the other thread: no system call of this one is interrupted.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            with pytest.raises(KeyboardInterrupt):
                confirm("Go on?", yes=False, no_input=False, needs="this")
        finally:
            ended.set()
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            pressing.join()
    os.close(controller)
    assert not lines_typed
