"""A listing: a table on a terminal, tab-separated lines under a header in a pipe, JSON lines for a program.

The table is as wide as the terminal allows. If it has too little room, the columns that matter least are left out;
if that is not enough, each row becomes a block of lines. Nothing is cut off: a long text is wrapped between words.
"""

import sys
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import Self

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from penstock.cli.support.column import Column, Row
from penstock.cli.support.layout import Layout, fit, paragraph
from penstock.cli.support.output import escape_control, print_line


class Listing:
    """Rows that are printed in the form that suits the reader; use it with `with`.

    A pipe gets each line at once. A terminal gets a table at the end, also after an error.
    """

    def __init__(
        self,
        columns: Sequence[Column],
        *,
        as_json: bool,
        on_terminal: Sequence[Column] | None = None,
        cause: Callable[[Row], tuple[str, ...]] | None = None,
    ) -> None:
        """Prepare a listing.

        Args:
            columns: the columns.
            as_json: whether to print JSON.
            on_terminal: the columns on a terminal, instead of `columns`.
            cause: returns the lines that rows have in common: on a terminal these rows are under them, the largest
                group first.
        """
        self.count = 0
        self._columns = columns
        self._as_json = as_json
        self._on_terminal = on_terminal or columns
        self._cause = cause
        self._rows: list[Row] | None = None if as_json or not sys.stdout.isatty() else []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._rows:
            console = terminal()
            for line in draw(self._on_terminal, self._rows, console.width, self._cause):
                console.print(line, soft_wrap=True)

    def add(self, row: Row) -> None:
        """Print a row, or keep it for the table."""
        self.count += 1
        if self._rows is not None:
            self._rows.append(row)
        elif self._as_json:
            print_line(row, as_json=True)
        else:
            if self.count == 1:
                print_line([column.name for column in self._columns], as_json=False)
            print_line([column.plain(row) for column in self._columns], as_json=False)


def print_rows(rows: Iterable[Row], columns: Sequence[Column], *, as_json: bool) -> int:
    """Print rows as a listing, and return their number."""
    with Listing(columns, as_json=as_json) as listing:
        for row in rows:
            listing.add(row)
    return listing.count


def terminal() -> Console:
    """Return the console of stdout. It takes every text as it is."""
    return Console(highlight=False, markup=False, emoji=False)


def draw(
    columns: Sequence[Column],
    rows: Sequence[Row],
    width: int,
    cause: Callable[[Row], tuple[str, ...]] | None = None,
) -> Iterable[Text]:
    """Return the lines of a listing for a terminal with this number of columns."""
    cells = {id(row): [column.cell(row) for column in columns] for row in rows}
    indent = 2 if cause else 0
    layout = fit(columns, list(cells.values()), width - indent)
    groups: list[tuple[tuple[str, ...], list[Row]]] = [((), list(rows))]
    if cause:
        in_order = sorted(rows, key=cause)
        groups = [(lines, list(group)) for lines, group in groupby(in_order, cause)]
        groups.sort(key=lambda group: -len(group[1]))
    for number, (lines, group) in enumerate(groups):
        yield from _heading(lines, len(group), width, first=number == 0)
        yield from _indented(_table(layout, [cells[id(row)] for row in group], header=number == 0), indent)


def _heading(lines: tuple[str, ...], count: int, width: int, *, first: bool) -> Iterable[Text]:
    if not lines:
        return
    if not first:
        yield Text()
    yield from paragraph(f"{count:,} x {escape_control(lines[0])}", width, style="bold", hang=2)
    for line in lines[1:]:
        yield from paragraph(escape_control(line), width, hang=2)


def _table(layout: Layout, rows: Sequence[Sequence[str]], *, header: bool) -> Iterable[Text]:
    if header and not layout.stacked:
        yield layout.header()
    for row in rows:
        yield from layout.lines(row)


def _indented(lines: Iterable[Text], indent: int) -> Iterable[Text]:
    return (Text(" " * indent if cell_len(line.plain) else "") + line for line in lines)
