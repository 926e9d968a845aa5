"""Dead letters in a file: a JSON object per line, lossless, and compressed if its name ends with `.gz`."""

import gzip
import os
import zlib
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Self, cast

from pydantic import TypeAdapter
from pydantic.dataclasses import dataclass

from penstock.queue import Attribute, Outgoing, Received

_GZIP: Final = ".gz"
_GZIP_MAGIC: Final = b"\x1f\x8b"
_OTHER_COMPRESSION: Final = {".bz2", ".lz4", ".xz", ".zip", ".zst"}
# What is not on the disk before its message is deleted would be no backup: the others cannot be flushed half way.
LINE_LIMIT: Final = 16 * 1_048_576
"""Bytes of a line: a message of 1 MiB, with every character of it escaped, has room in it."""


class ArchiveError(Exception):
    """A file cannot be read or written as an archive; the message says why."""


class ArchiveExists(ArchiveError):
    """There is a file of that name already."""


@dataclass(frozen=True, slots=True, config={"extra": "ignore"})
class _Value:
    """An attribute's value: text, or bytes in base 64."""

    type: str
    text: str | None = None
    base64: str | None = None


@dataclass(frozen=True, slots=True, config={"extra": "ignore"})
class ArchiveLine:
    """One message in a file.

    Attributes:
        body: the text.
        attributes: by name, the letter's among them.
        group: the message group.
        message_id: SQS's id of it.
        receive_count: how often it had been received.
        first_received_at: when it was received for the first time, in seconds since the epoch.
        sent_at: when SQS took it, in seconds since the epoch.
    """

    body: str
    attributes: dict[str, _Value]
    group: str | None = None
    message_id: str | None = None
    receive_count: int | None = None
    first_received_at: float | None = None
    sent_at: float | None = None

    @classmethod
    def of(cls, message: Received) -> Self:
        """Write down a message."""
        return cls(
            message.body,
            {name: _written(value) for name, value in message.attributes.items()},
            message.group,
            message.message_id,
            message.receive_count,
            message.first_received_at,
            message.sent_at,
        )

    def message(self) -> Outgoing:
        """Return what to send, so that it is on a queue as it was.

        Raises:
            ValueError: a value is not in base 64.
        """
        return Outgoing(self.body, {name: _read(value) for name, value in self.attributes.items()}, self.group)


_LINE = TypeAdapter(ArchiveLine)


class Archive:
    """A file that is being written; it has its name only once it is whole, to be used with `with`.

    Only its owner may read it: it holds payloads.
    """

    def __init__(self, path: Path) -> None:
        """Take the file's name; with `.gz` at its end it is compressed. Until it is whole it is called `.part`.

        Raises:
            ArchiveExists: there is such a file already.
            ArchiveError: its name asks for another compression.
        """
        if path.suffix in _OTHER_COMPRESSION:
            raise ArchiveError(f"{path}: only .gz compresses here")
        self.path = path
        self.draft = path.with_name(f"{path.name}.part")
        for one in (path, self.draft):
            _refuse_taken(one, "name another file")

    def __enter__(self) -> Self:
        try:
            descriptor = os.open(self.draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            _settle_name(self.draft)
        except OSError as error:
            raise self._unwritable(error) from error
        self._raw = os.fdopen(descriptor, "wb")
        packed = self.path.suffix == _GZIP
        self._file = cast("IO[bytes]", gzip.open(self._raw, "wb") if packed else self._raw)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            with self._raw:
                if self._file is not self._raw:
                    self._file.close()
                self._settle()
            if error is None:
                self._give_name()
        except OSError as failed:
            if error is None:
                raise self._unwritable(failed) from failed

    def write(self, messages: Iterable[Received]) -> None:
        """Write messages down; return once they are on the disk.

        Raises:
            ArchiveError: the disk is full, or gone.
        """
        try:
            for message in messages:
                self._file.write(_LINE.dump_json(ArchiveLine.of(message), exclude_none=True) + b"\n")
            self._file.flush()
            self._settle()
        except OSError as error:
            raise self._unwritable(error) from error

    def _settle(self) -> None:
        self._raw.flush()
        os.fsync(self._raw.fileno())

    def _give_name(self) -> None:
        _refuse_taken(self.path, f"what was written is in {self.draft}")
        self.draft.rename(self.path)
        _settle_name(self.path)

    def _unwritable(self, error: OSError) -> ArchiveError:
        return ArchiveError(f"{self.draft} cannot be written: {error.strerror}")


def read_archive(path: Path) -> Iterator[tuple[int, Outgoing | None]]:
    """Read a file: each line's number, and the message to send so that it is as it was; None where there is none.

    Raises:
        ArchiveError: the file cannot be read, or is cut off; what could be read has been given before.
    """
    try:
        with _opened(path) as file:
            for number, text in enumerate(iter(lambda: _line(file), b""), 1):
                yield number, _message(text)
    except (OSError, EOFError, zlib.error) as error:
        raise ArchiveError(f"{path} cannot be read: {error}") from error


def _opened(path: Path) -> IO[bytes]:
    """Open a file, compressed or not: one that was cut off is called `.gz.part`."""
    with path.open("rb") as file:
        packed = file.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
    return cast("IO[bytes]", gzip.open(path) if packed else path.open("rb"))


def _line(file: IO[bytes]) -> bytes:
    """Read a line; of one that is too long for a message just enough to tell, and no tail of it as a line."""
    text = file.readline(LINE_LIMIT)
    rest = text
    while len(rest) == LINE_LIMIT and not rest.endswith(b"\n"):
        rest = file.readline(LINE_LIMIT)
    return text


def _refuse_taken(path: Path, hint: str) -> None:
    if path.exists():
        raise ArchiveExists(f"{path} is there already: {hint}")


def _settle_name(path: Path) -> None:
    """Have the name of a file survive a crash, too: it is the folder's, not the file's (fsync(2))."""
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _message(text: bytes) -> Outgoing | None:
    try:
        return _LINE.validate_json(text).message()
    except ValueError:
        return None


def _written(attribute: Attribute) -> _Value:
    value: Any = attribute.value
    if isinstance(value, bytes):
        return _Value(attribute.type, base64=b64encode(value).decode())
    return _Value(attribute.type, text=value)


def _read(value: _Value) -> Attribute:
    return Attribute(
        b64decode(value.base64, validate=True) if value.base64 is not None else value.text or "", value.type
    )
