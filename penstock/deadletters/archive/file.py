"""A file of dead letters: one JSON object per line, compressed if the name ends with `.gz`."""

import gzip
import os
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self, cast

from penstock.deadletters.archive.line import decode_line, encode_line
from penstock.queue import Outgoing, Received

_GZIP: Final = ".gz"
_GZIP_LEVEL: Final = 6
"""The level of the program gzip. Level 9 takes more than twice the time, for a few percent."""
_GZIP_MAGIC: Final = b"\x1f\x8b"
# Other compressions cannot be flushed half way. A message may be deleted only after it is on the disk.
_OTHER_COMPRESSION: Final = {".bz2", ".lz4", ".xz", ".zip", ".zst"}
LINE_LIMIT: Final = 16 * 1_048_576
"""The maximum size of a line in bytes. A message of 1 MiB fits, even with every character escaped."""


class ArchiveError(Exception):
    """A file cannot be read or written as an archive; the message says why."""


class ArchiveExists(ArchiveError):
    """A file of that name exists already."""


class Archive:
    """A file that is being written; use it with `with`. It gets its name when it is complete.

    Only its owner may read it, because it contains payloads.
    """

    def __init__(self, path: Path) -> None:
        """Prepare to write the file.

        Args:
            path: the file. It is compressed if its name ends with `.gz`. `.part` is appended to the name until the
                file is complete.

        Raises:
            ArchiveExists: the file, or its `.part`, exists already.
            ArchiveError: the name ends with the suffix of another compression.
        """
        if path.suffix in _OTHER_COMPRESSION:
            raise ArchiveError(f"{path}: .gz is the only compression that is supported")
        self.path = path
        self.partial = path.with_name(f"{path.name}.part")
        for one in (path, self.partial):
            _refuse_existing(one, "name another file")

    def __enter__(self) -> Self:
        try:
            descriptor = os.open(self.partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            _sync_directory(self.partial)
        except OSError as error:
            raise self._unwritable(error) from error
        self._raw = os.fdopen(descriptor, "wb")
        compressed = self.path.suffix == _GZIP
        self._file = cast("IO[bytes]", gzip.open(self._raw, "wb", _GZIP_LEVEL) if compressed else self._raw)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            with self._raw:
                if self._file is not self._raw:
                    self._file.close()
                self._sync()
            if error is None:
                self._rename()
        except OSError as failure:
            if error is None:
                raise self._unwritable(failure) from failure

    def write(self, messages: Iterable[Received]) -> None:
        """Write messages, and return when they are on the disk.

        Raises:
            ArchiveError: the file cannot be written, for example because the disk is full.
        """
        try:
            self._file.write(b"".join(map(encode_line, messages)))
            self._file.flush()
            self._sync()
        except OSError as error:
            raise self._unwritable(error) from error

    def _sync(self) -> None:
        self._raw.flush()
        os.fsync(self._raw.fileno())

    def _rename(self) -> None:
        _refuse_existing(self.path, f"what was written is in {self.partial}")
        self.partial.rename(self.path)
        _sync_directory(self.path)

    def _unwritable(self, error: OSError) -> ArchiveError:
        return ArchiveError(f"{self.partial} cannot be written: {error.strerror}")


def read_archive(path: Path) -> Iterator[tuple[int, Outgoing | None]]:
    """Yield the number of each line with its message to send; None instead of the message if the line holds none.

    Raises:
        ArchiveError: the file cannot be read, or ends too early; all lines before that have been yielded.
    """
    try:
        with _open(path) as file:
            for number, text in enumerate(iter(lambda: _read_line(file), b""), 1):
                yield number, decode_line(text)
    except (OSError, EOFError, zlib.error) as error:
        raise ArchiveError(f"{path} cannot be read: {error}") from error


def _open(path: Path) -> IO[bytes]:
    """Open a file, compressed or not. The name does not say which: an incomplete file ends with `.gz.part`."""
    with path.open("rb") as file:
        compressed = file.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
    return cast("IO[bytes]", gzip.open(path) if compressed else path.open("rb"))


def _read_line(file: IO[bytes]) -> bytes:
    """Return the next line. A line that is too long is cut to the limit, and the rest of it is skipped."""
    text = file.readline(LINE_LIMIT)
    rest = text
    while len(rest) == LINE_LIMIT and not rest.endswith(b"\n"):
        rest = file.readline(LINE_LIMIT)
    return text


def _refuse_existing(path: Path, hint: str) -> None:
    if path.exists():
        raise ArchiveExists(f"{path} exists already: {hint}")


def _sync_directory(path: Path) -> None:
    """Sync the directory of a file, so that the file's name survives a crash, too (fsync(2))."""
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
