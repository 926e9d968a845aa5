"""JSON laid out over several lines. Each number and each text stays as it was written."""

import re
from collections.abc import Iterator
from typing import Final

from penstock.expressions.exact_json import ExactJsonError, read

_PIECE: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')
_INDENT: Final = 2


def pretty(text: str) -> Iterator[str]:
    """Yield the lines of a JSON text; a text that is not JSON is one line."""
    try:
        read(text)
    except ExactJsonError:
        yield text
        return
    depth, line, before = 0, "", ""
    for piece in _PIECE.findall(text):
        if piece in "}]":
            depth -= 1
            if before not in "{[":
                yield line
                line = " " * (_INDENT * depth)
        elif before in ("{", "["):
            yield line
            line = " " * (_INDENT * depth)
        if piece in "{[":
            depth += 1
        line += f"{piece} " if piece == ":" else piece
        if piece == ",":
            yield line
            line = " " * (_INDENT * depth)
        before = piece
    yield line
