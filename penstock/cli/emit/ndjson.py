"""Reading JSON objects from a file, a pipe or an argument: one object on each line, one line at a time."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple, TypeAlias

from penstock.cli.support.errors import USAGE, Failure
from penstock.settings import Settings

_BOM = b"\xef\xbb\xbf"
LINE_LIMIT: Final = Settings().payload_limit
"""The longest line in bytes: the largest intent that the payload bucket accepts."""

_RawLine: TypeAlias = tuple[int, bytes | None]
"""A line's number and its bytes; None for a line that is too long."""


class InputLine(NamedTuple):
    """One line that is not blank.

    Attributes:
        number: counted from 1, blank lines included; for an object over several lines, the first of them.
        text: the line's text; None if it cannot be read.
        fault: why it cannot be read.
    """

    number: int
    text: str | None
    fault: str | None = None


@contextmanager
def open_data(data: str) -> Iterator[BinaryIO]:
    """Open the value of `--data`: `@` and a file, `-` for stdin, or JSON.

    Raises:
        Failure: the file cannot be opened.
    """
    if data == "-":
        yield sys.stdin.buffer
    elif not data.startswith("@"):
        yield BytesIO(data.encode(errors="surrogateescape"))
    else:
        try:
            file = Path(data[1:]).open("rb")  # noqa: SIM115 (closed below)
        except (OSError, ValueError) as error:
            raise Failure(f"{data[1:]} cannot be read: {type(error).__name__}", USAGE) from None
        with file:
            yield file


def file_of(data: str) -> Path | None:
    """Return the file that the value of `--data` names; None if it names none."""
    return Path(data[1:]) if data.startswith("@") else None


def read_lines(stream: BinaryIO) -> Iterator[InputLine]:
    """Read one line after the other; or one object over several lines, if the first line alone is not JSON.

    A byte order mark at the beginning is skipped. A line that is too long is never in memory as a whole.
    """
    lines = enumerate(_split_lines(stream), 1)
    first = next(((number, line) for number, line in lines if line is None or line.strip()), None)
    if first is None:
        return
    if first[1] is None or _is_json(first[1]):
        yield from _decode_lines(chain([first], lines))
        return
    taken = _take_object(chain([first], lines))
    joined = b"\n".join(line for _, line in taken if line is not None)
    if len(joined) <= LINE_LIMIT and all(line is not None for _, line in taken) and _is_json(joined):
        yield _decode(first[0], joined)
    else:
        yield from _decode_lines(chain(taken, lines))


def _split_lines(stream: BinaryIO) -> Iterator[bytes | None]:
    """Yield each line without its line break; None for a line that is too long."""
    bom = _BOM
    while line := stream.readline(LINE_LIMIT + len(_BOM) + len(b"\r\n")):
        if not line.endswith(b"\n"):
            _skip_to_line_end(stream)
        text = line.removeprefix(bom).rstrip(b"\r\n")
        bom = b""
        yield text if len(text) <= LINE_LIMIT else None


def _skip_to_line_end(stream: BinaryIO) -> None:
    while (rest := stream.readline(LINE_LIMIT)) and not rest.endswith(b"\n"):
        pass


def _take_object(lines: Iterator[_RawLine]) -> list[_RawLine]:
    """Take all lines, but no more than the largest object has."""
    taken, size = [], 0
    for number, line in lines:
        taken.append((number, line))
        size += len(line) + 1 if line is not None else LINE_LIMIT
        if size > LINE_LIMIT:
            break
    return taken


def _decode_lines(lines: Iterator[_RawLine]) -> Iterator[InputLine]:
    for number, line in lines:
        if line is None:
            yield InputLine(number, None, f"it is longer than an intent may be ({LINE_LIMIT:,} bytes)")
        elif line.strip():
            yield _decode(number, line)


def _decode(number: int, line: bytes) -> InputLine:
    try:
        return InputLine(number, line.decode())
    except UnicodeDecodeError as error:
        return InputLine(number, None, f"it is not UTF-8, from byte {error.start + 1} on")


def _is_json(text: bytes) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
