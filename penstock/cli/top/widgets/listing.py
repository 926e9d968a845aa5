"""A table that fits the screen: it leaves out what is least important, and cuts what is too long."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.events import Resize
from textual.widgets import DataTable

from penstock.cli.support.output import escape_control
from penstock.cli.top.style import DIM, TEXT

_GAP: Final = 2
"""The padding of a column, on both sides together."""
_SCROLLBAR: Final = 1


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a listing.

    Attributes:
        name: its heading.
        width: its least width.
        grows: its share of the width that is left; 0 to keep its width.
        rank: the columns of the highest rank are left out first.
        right: whether its cells are at the right.
    """

    name: str
    width: int
    grows: int = 0
    rank: int = 0
    right: bool = False


Cell = str | Text
"""Text of any sender, which is escaped; a `Text` must be safe already."""


class Listing(DataTable[Text]):
    """A table of rows that can be selected. No text in it is markup."""

    DEFAULT_CSS = """
    Listing { height: 1fr; background: $background; scrollbar-size-vertical: 1; overflow-x: hidden; }
    Listing > .datatable--header { background: $background; color: $text-muted; text-style: none; }
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "select_cursor", "open", key_display="enter")]

    def __init__(self, columns: Sequence[Column]) -> None:
        super().__init__(cursor_type="row", show_row_labels=False)
        self._all = columns
        self._rows: Sequence[tuple[str, Sequence[Cell]]] = ()
        self._drawn_for = 0

    def show(self, rows: Sequence[tuple[str, Sequence[Cell]]]) -> None:
        """Show rows, each with its key; the cursor stays on the row with the key that it was on."""
        self._rows = rows
        self._draw()

    @property
    def selected(self) -> str | None:
        """The key of the row under the cursor; None if there is no row."""
        if not self.is_valid_row_index(self.cursor_row):
            return None
        return self.coordinate_to_cell_key(self.cursor_coordinate).row_key.value

    def on_resize(self, event: Resize) -> None:
        """Fit the columns to another width."""
        if event.size.width != self._drawn_for:
            self._draw()

    def _draw(self) -> None:
        self._drawn_for = self.size.width
        if not self._drawn_for:
            return
        selected = self.selected
        self.clear(columns=True)
        widths = fit(self._all, self._drawn_for - _SCROLLBAR)
        for number, width in widths.items():
            column = self._all[number]
            self.add_column(_cell(Text(column.name, DIM), width, right=column.right), width=width)
        for key, cells in self._rows:
            drawn = (
                _cell(cells[number], width, right=self._all[number].right) for number, width in widths.items()
            )
            self.add_row(*drawn, key=key)
        if selected is not None and selected in self.rows:
            self.move_cursor(row=self.get_row_index(selected))


def fit(columns: Sequence[Column], width: int) -> dict[int, int]:
    """Return the widths of the columns that fit, by their numbers."""
    shown = dict(enumerate(columns))
    while len(shown) > 1 and sum(one.width + _GAP for one in shown.values()) > width:
        del shown[max(shown, key=lambda number: (shown[number].rank, number))]
    left = max(0, width - sum(one.width + _GAP for one in shown.values()))
    shares = sum(one.grows for one in shown.values()) or 1
    return {number: one.width + left * one.grows // shares for number, one in shown.items()}


def _cell(cell: Cell, width: int, *, right: bool) -> Text:
    drawn = cell.copy() if isinstance(cell, Text) else Text(escape_control(cell), TEXT)
    drawn.truncate(width, overflow="ellipsis")
    drawn.no_wrap = True
    if right:
        drawn.pad_left(width - drawn.cell_len)
    return drawn
