"""A pseudo-terminal to run a command on."""

import fcntl
import os
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

SECONDS = 30


class Terminal:
    """A process on a pseudo-terminal, with everything that it writes to the screen; use it with `with`."""

    def __init__(self, command: Sequence[str], *, rows: int = 40, columns: int = 100, **options: Any) -> None:
        self._controller, self._terminal = os.openpty()
        self._size(rows, columns)
        self.before = termios.tcgetattr(self._terminal)
        self.screen = ""
        self._hung_up = False
        # These variables would override the terminal's own size.
        environment = {k: v for k, v in os.environ.items() if k not in {"COLUMNS", "LINES"}} | {"TERM": "xterm"}
        self.process = subprocess.Popen(
            command,
            stdin=self._terminal,
            stdout=self._terminal,
            stderr=self._terminal,
            env=environment,
            start_new_session=True,
            **options,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.wait()
        if not self._hung_up:
            self._close()

    @property
    def restored(self) -> bool:
        """Whether the terminal has its first attributes again, and shows the first screen."""
        shown = self.screen.rpartition("\x1b[?1049")[2]
        return termios.tcgetattr(self._terminal) == self.before and shown.startswith("l")

    def wait_for(self, text: str) -> None:
        """Wait until a text appears after the text of the last wait, and drop everything before it."""
        end = time.monotonic() + SECONDS
        while text not in self.screen:
            assert time.monotonic() < end, self.screen[-2000:]
            self._read(0.1)
        self.screen = self.screen.partition(text)[2]

    def press(self, keys: str) -> None:
        os.write(self._controller, keys.encode())

    def resize(self, rows: int, columns: int) -> None:
        self._size(rows, columns)
        os.kill(self.process.pid, signal.SIGWINCH)

    def hang_up(self, *, signaled: bool = True) -> None:
        """Close the window: the terminal is gone, and the process is told so, or finds out by itself."""
        self._hung_up = True
        self._close()
        if signaled:
            os.kill(self.process.pid, signal.SIGHUP)

    def ended(self) -> int:
        """Wait until the process ends, and return its exit code."""
        end = time.monotonic() + SECONDS
        while self.process.poll() is None:
            assert time.monotonic() < end, self.screen[-2000:]
            self._read(0.1)
        self._read(0)
        return self.process.returncode

    def _close(self) -> None:
        os.close(self._controller)
        os.close(self._terminal)

    def _read(self, seconds: float) -> None:
        while select.select([self._controller], [], [], seconds)[0]:
            self.screen += os.read(self._controller, 65536).decode(errors="replace")
            seconds = 0

    def _size(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
