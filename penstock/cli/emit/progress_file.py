"""The progress of a run, in a file beside its input, so that a second run goes on where the first one stopped.

The first line says what is emitted, with the id of the run; each further line says which line of the input comes
next. Lines are only appended, so the file is good at any moment, whatever ends the process. It may be a little
behind: what is sent again then has the same ids, which are derived from the run and the number of the line.
"""

import fcntl
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO, Final
from uuid import uuid4

from penstock.cli.support.errors import CONFLICT, USAGE, Failure

SUFFIX: Final = ".progress"
_EVERY_SECONDS: Final = 1.0
_CHUNK: Final = 1 << 20


class ProgressFile:
    """The progress of one run.

    Attributes:
        run: the id of the run.
        next_line: the first line of the input that is not known to be emitted.
    """

    def __init__(self, file: BinaryIO, run: str, next_line: int) -> None:
        """Take an open file whose first line is written."""
        self.run = run
        self.next_line = next_line
        self._file = file
        self._next_write = time.monotonic() + _EVERY_SECONDS

    def advance(self, next_line: int) -> None:
        """Note the next line of the input; the file gets it at most once a second."""
        self.next_line = next_line
        if time.monotonic() >= self._next_write:
            self.write()

    def write(self, *, done: bool = False) -> None:
        """Write the progress to the file.

        Args:
            done: whether the whole input is emitted.
        """
        self._next_write = time.monotonic() + _EVERY_SECONDS
        _append(self._file, {"next_line": self.next_line, **({"done": True} if done else {})})


@contextmanager
def open_progress(source: BinaryIO, path: Path, what: Mapping[str, Any]) -> Iterator[ProgressFile]:
    """Open the progress of an input, or begin it.

    Args:
        source: the input, which is read once and set back.
        path: the file of the progress.
        what: what is emitted, and how: another value is another run.

    Raises:
        Failure: the file cannot be written, another process is using it, everything is emitted already, or the
            file is that of another input or other options.
    """
    what = {**what, "input": _digest(source)}
    try:
        file = path.open("a+b", buffering=0)
    except OSError as error:
        raise Failure(
            f"{path} cannot be written ({type(error).__name__}): --rate keeps its progress there"
        ) from None
    with file:
        _lock(file, path)
        file.seek(0)
        written = file.read()
        # A line that was cut off counts for nothing.
        whole = written[: written.rfind(b"\n") + 1]
        file.truncate(len(whole))
        if whole:
            run, next_line = _read(whole.splitlines(), path, what)
        else:
            run, next_line = str(uuid4()), 1
            _append(file, {"run": run, **what})
            os.fsync(file.fileno())
        yield ProgressFile(file, run, next_line)


def _lock(file: BinaryIO, path: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Failure(f"another process is emitting this input ({path})", CONFLICT) from None


def _read(lines: list[bytes], path: Path, what: Mapping[str, Any]) -> tuple[str, int]:
    """Return the id of the run, and the next line."""
    try:
        head, *rest = map(json.loads, lines)
        run = head.pop("run")
        last = rest[-1] if rest else {"next_line": 1}
        next_line, done = int(last["next_line"]), last.get("done", False)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Failure(f"{path} is no progress of `penstock emit`: move it away", USAGE) from None
    changed = sorted(name for name in {*head, *what} if head.get(name) != what.get(name))
    if changed:
        raise Failure(
            f"{path} is the progress of another run, which differs in: {', '.join(changed)}. "
            "Delete it to begin anew",
            CONFLICT,
        )
    if done:
        raise Failure(
            f"this input was emitted to its end ({path}). Delete that file to emit it once more", CONFLICT
        )
    return run, next_line


def _append(file: BinaryIO, line: Mapping[str, Any]) -> None:
    file.write(json.dumps(line).encode() + b"\n")


def _digest(source: BinaryIO) -> str:
    start, digest = source.tell(), sha256()
    while chunk := source.read(_CHUNK):
        digest.update(chunk)
    source.seek(start)
    return digest.hexdigest()
