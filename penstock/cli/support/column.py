"""A column of a listing."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from penstock.cli.support.output import escape_control

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of a listing.

    Attributes:
        name: the key of its value in a row, and its header in a pipe.
        title: its header on a terminal; None for `name` with spaces.
        of: returns its value for a pipe; None for the value under `name`.
        shown: returns its value for a terminal; None for the value for a pipe.
        right: whether it is aligned right.
        whole: whether its values are never wrapped, such as an id that is copied.
        rank: 0 for a column that is always shown; of the others, the one with the highest rank is left out first.
        below: whether its values are under their rows, unless the terminal is wide enough for whole lines.
        bare: whether its values need no title in a block of lines.
        styles: the style of a value on a terminal, such as `red`.
    """

    name: str
    title: str | None = None
    of: Callable[[Row], object] | None = None
    shown: Callable[[Row], object] | None = None
    right: bool = False
    whole: bool = False
    rank: int = 0
    below: bool = False
    bare: bool = False
    styles: Mapping[str, str] = field(default_factory=dict)

    @property
    def heading(self) -> str:
        """The header on a terminal."""
        return self.name.replace("_", " ") if self.title is None else self.title

    def plain(self, row: Row) -> object:
        """Return the value for a pipe."""
        return self.of(row) if self.of else row[self.name]

    def cell(self, row: Row) -> str:
        """Return the value for a terminal; the empty text if there is none."""
        value = self.shown(row) if self.shown else self.plain(row)
        return "" if value is None else escape_control(value)
