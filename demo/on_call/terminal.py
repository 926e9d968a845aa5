"""A terminal whose session becomes a picture."""

import fcntl
import io
import os
import pty
import re
import shlex
import struct
import subprocess
import termios
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

_LINES = 50
_LIMIT_SECONDS = 120
_FONTS = re.compile(r"@font-face \{\{.*?\}\}\s*", re.DOTALL)


class Terminal:
    """A terminal of some width. What is typed runs for real, and stays on it."""

    def __init__(self, folder: Path, columns: int) -> None:
        """Open a terminal.

        Args:
            folder: the folder in which commands run.
            columns: its width.
        """
        self._folder = folder
        self._columns = columns
        self._shown = Text()

    def type(self, command: str) -> int:
        """Run a command, with the terminal as its output, and return its exit code."""
        self._shown.append("$ ", "bold green").append(f"{command}\n", "bold")
        code, out, err = _run(shlex.split(command), self._folder, self._columns)
        self._shown.append(Text.from_ansi(out)).append("\n" if out else "")
        self._shown.append(Text.from_ansi(err, style="dim")).append("\n" if err else "")
        return code

    def silently(self, command: str) -> str:
        """Run a command that is not shown, and return its output."""
        return _run(shlex.split(command), self._folder, self._columns)[1]

    def say(self, text: str) -> None:
        """Show what happens meanwhile, as a comment."""
        self._shown.append(f"# {text}\n", "italic cyan")

    def picture(self, title: str) -> str:
        """Draw the terminal as SVG, without a font that must be downloaded."""
        console = Console(
            record=True, width=self._columns, file=io.StringIO(), force_terminal=True, color_system="truecolor"
        )
        console.print(self._shown, end="")
        return console.export_svg(title=title, code_format=_FONTS.sub("", CONSOLE_SVG_FORMAT))


def _run(words: list[str], folder: Path, columns: int) -> tuple[int, str, str]:
    """Run a command on a terminal. Its messages go through a pipe: progress bars would fill the picture."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", _LINES, columns, 0, 0))
    environment = os.environ | {"TERM": "xterm-256color", "COLUMNS": str(columns), "LINES": str(_LINES)}
    with subprocess.Popen(  # noqa: S603 (the commands are those of the incidents)
        words, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=theirs, stderr=subprocess.PIPE
    ) as process:
        os.close(theirs)
        out = _read(ours)
        _, err = process.communicate(timeout=_LIMIT_SECONDS)
    os.close(ours)
    return process.returncode, out.replace("\r\n", "\n").rstrip("\n"), err.decode().rstrip("\n")


def _read(descriptor: int) -> str:
    parts: list[bytes] = []
    while True:
        try:
            part = os.read(descriptor, 65_536)
        except OSError:  # The other side is closed.
            break
        if not part:
            break
        parts.append(part)
    return b"".join(parts).decode()
