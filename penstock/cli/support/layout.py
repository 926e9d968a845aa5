"""How the columns of a listing fit on a terminal."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from penstock.cli.support.column import Column

_GAP: Final = 2
_LONGEST_WORD: Final = 36
"""In columns. A longer word may be broken where the terminal is too narrow for it."""
_FAINT: Final = "dim"
_CONSOLE: Final = Console(width=1000)
"""What `rich` wraps a text with; nothing is printed on it."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns of a listing on a terminal.

    Attributes:
        columns: all columns.
        width: the columns of the terminal.
        widths: the width of each column that is beside others, by its position.
        under: the positions of the columns whose values are under their rows.
        stacked: whether each row is a block of lines, because a table has no room.
    """

    columns: Sequence[Column]
    width: int
    widths: Mapping[int, int]
    under: Sequence[int]
    stacked: bool = False

    def header(self) -> Text:
        """Return the line of the headers."""
        texts = {at: [Text(self.columns[at].heading, "bold")] for at in self.widths}
        return next(self._beside(texts))

    def lines(self, cells: Sequence[str]) -> Iterator[Text]:
        """Return the lines of a row."""
        if self.stacked:
            yield from self._block(cells)
            return
        yield from self._beside({at: _wrapped(self._text(at, cells), self.widths[at]) for at in self.widths})
        for at in self.under:
            if cells[at]:
                title = "" if self.columns[at].bare else f"{self.columns[at].heading}: "
                yield from paragraph(title + cells[at], self.width, indent=_GAP, style=_FAINT)

    def _beside(self, cells: Mapping[int, Sequence[Text]]) -> Iterator[Text]:
        for number in range(max(map(len, cells.values()))):
            line = Text()
            for at, texts in cells.items():
                text = texts[number] if number < len(texts) else Text()
                space = " " * (self.widths[at] - cell_len(text.plain))
                line += Text(space) + text if self.columns[at].right else text + Text(space)
                line.append(" " * _GAP)
            line.rstrip()
            yield line

    def _block(self, cells: Sequence[str]) -> Iterator[Text]:
        """Return the lines of a block: the values that are always shown, as many in a line as fit."""
        line, indent = Text(), 0
        for piece in self._pieces(cells):
            if line.plain and cell_len(line.plain) + _GAP + cell_len(piece.plain) <= self.width:
                line = line + Text(" " * _GAP) + piece
                continue
            if line.plain:
                yield line
            lines = [Text(" " * indent) + one for one in _hanging(piece, self.width - indent, indent)]
            # Nothing follows in the last line of a text that was wrapped.
            *whole, line = [*lines, Text()] if len(lines) > 1 else lines
            yield from whole
            indent = _GAP
        if line.plain:
            yield line

    def _pieces(self, cells: Sequence[str]) -> Iterator[Text]:
        """Return the values with their titles. A title that does not fit beside a whole value is above."""
        for at in (at for at, cell in enumerate(cells) if cell and not self.columns[at].rank):
            text, title = self._text(at, cells), Text(f"{self.columns[at].heading} ", _FAINT)
            if self.columns[at].bare:
                yield text
            elif self.columns[at].whole and cell_len(title.plain + text.plain) > self.width - _GAP:
                yield Text("\n").join([Text(self.columns[at].heading, _FAINT), text])
            else:
                yield title + text

    def _text(self, at: int, cells: Sequence[str]) -> Text:
        return Text(cells[at], self.columns[at].styles.get(cells[at], ""))


def fit(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int) -> Layout:
    """Return the layout of rows on a terminal with this number of columns.

    Args:
        columns: the columns.
        rows: the values of each row, in the order of the columns.
        width: the columns of the terminal.
    """
    shown = [at for at in range(len(columns)) if any(row[at] for row in rows)]
    natural = {at: max(cell_len(columns[at].heading), *(cell_len(row[at]) for row in rows)) for at in shown}
    under = [at for at in shown if columns[at].below]
    if _sum(natural) <= width:
        under = []
    beside = [at for at in shown if at not in under]
    least = {at: _least(columns[at], [row[at] for row in rows], natural[at]) for at in beside}
    while _sum(least) > width and (others := [at for at in least if columns[at].rank]):
        del least[max(others, key=lambda at: columns[at].rank)]
    if _sum(least) > width:
        return Layout(columns, width, {}, (), stacked=True)
    return Layout(columns, width, _widened(least, natural, width), under)


def paragraph(text: str, width: int, *, indent: int = 0, hang: int = 0, style: str = "") -> Iterator[Text]:
    """Return the lines of a text that is wrapped between words.

    Args:
        text: the text.
        width: the columns of the terminal.
        indent: the columns before each line.
        hang: the columns more before each line but the first.
        style: the style of the text.
    """
    lines = _hanging(Text(text, style), width - indent, hang)
    return (Text(" " * indent) + line for line in lines)


def _hanging(text: Text, width: int, hang: int) -> Iterator[Text]:
    """Wrap a text with an indent of all lines but the first."""
    if cell_len(text.plain) <= width:
        yield text
        return
    first, *others = _wrapped(text, width - hang) or [Text()]
    yield first
    yield from (Text(" " * hang) + line for line in others)


def _wrapped(text: Text, width: int) -> list[Text]:
    if cell_len(text.plain) <= width:
        return [text]
    lines = list(text.wrap(_CONSOLE, max(width, 1), overflow="fold"))
    for line in lines:
        line.rstrip()
    return lines


def _least(column: Column, values: Sequence[str], natural: int) -> int:
    """Return the width below which a column is of no use."""
    if column.whole:
        return natural
    words = (cell_len(word) for value in values for word in value.split())
    return max(cell_len(column.heading), min(max(words, default=0), _LONGEST_WORD))


def _widened(least: Mapping[int, int], natural: Mapping[int, int], width: int) -> dict[int, int]:
    """Share the room that is left among the columns that wrap."""
    widths, left = dict(least), width - _sum(least)
    while left and (narrow := [at for at in widths if widths[at] < natural[at]]):
        for at in narrow[:left]:
            widths[at] += 1
        left -= len(narrow[:left])
    return widths


def _sum(widths: Mapping[int, int]) -> int:
    return sum(widths.values()) + _GAP * max(len(widths) - 1, 0)
