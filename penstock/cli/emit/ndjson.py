"""JSON objects out of a file, a pipe or an argument: one to a line, one at a time in memory."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from penstock.cli.support.errors import USAGE, Failure
from penstock.settings import Settings

_BOM = b"\xef\xbb\xbf"
LINE_LIMIT: Final = Settings().payload_limit
"""Bytes of a line: the largest intent that a bucket takes."""


class InputLine(NamedTuple):
    """One line that is not blank.

    Attributes:
        number: counted from 1, blank lines included; of an object over several lines its first.
        text: what it says; None where that cannot be read.
        fault: why not.
    """

    number: int
    text: str | None
    fault: str | None = None


@contextmanager
def opened(data: str) -> Iterator[BinaryIO]:
    """Open what `--data` names: `@` and a file, `-` for stdin, or JSON itself.

    Raises:
        Failure: there is no such file.
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


def read_lines(stream: BinaryIO) -> Iterator[InputLine]:
    """Read line after line; or, where the first line alone is no JSON, one object over several lines.

    A byte order mark at the beginning is skipped. Of a line that is too long, only its length is found out.
    """
    numbered = enumerate(_pieces(stream), 1)
    first = next(((number, piece) for number, piece in numbered if piece is None or piece.strip()), None)
    if first is None:
        return
    if first[1] is None or _is_json(first[1]):
        yield from _lines(chain([first], numbered))
        return
    whole = _taken(chain([first], numbered))
    together = b"\n".join(piece for _, piece in whole if piece is not None)
    if len(together) <= LINE_LIMIT and all(piece is not None for _, piece in whole) and _is_json(together):
        yield _line(first[0], together)
    else:
        yield from _lines(chain(whole, numbered))


def _pieces(stream: BinaryIO) -> Iterator[bytes | None]:
    """Yield what is between line breaks; None for what is too long for a message."""
    bom = _BOM
    while piece := stream.readline(LINE_LIMIT + len(_BOM) + len(b"\r\n")):
        if not piece.endswith(b"\n"):
            _skip(stream)
        text = piece.removeprefix(bom).rstrip(b"\r\n")
        bom = b""
        yield text if len(text) <= LINE_LIMIT else None


def _skip(stream: BinaryIO) -> None:
    """Go to the end of a line."""
    while (rest := stream.readline(LINE_LIMIT)) and not rest.endswith(b"\n"):
        pass


def _taken(numbered: Iterator[tuple[int, bytes | None]]) -> list[tuple[int, bytes | None]]:
    """Take no more than one object may have."""
    taken, size = [], 0
    for number, piece in numbered:
        taken.append((number, piece))
        size += len(piece) + 1 if piece is not None else LINE_LIMIT
        if size > LINE_LIMIT:
            break
    return taken


def _lines(numbered: Iterator[tuple[int, bytes | None]]) -> Iterator[InputLine]:
    for number, piece in numbered:
        if piece is None:
            yield InputLine(number, None, f"it is longer than an intent may be ({LINE_LIMIT:,} bytes)")
        elif piece.strip():
            yield _line(number, piece)


def _line(number: int, piece: bytes) -> InputLine:
    try:
        return InputLine(number, piece.decode())
    except UnicodeDecodeError as error:
        return InputLine(number, None, f"it is not UTF-8, from byte {error.start + 1} on")


def _is_json(piece: bytes) -> bool:
    try:
        json.loads(piece)
    except (ValueError, RecursionError):
        return False
    return True
