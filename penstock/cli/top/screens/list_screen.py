"""What the screens with a list have in common: a heading, the list, a filter, and a line that says how it went."""

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, ClassVar, Final, TypeVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import DataTable, Footer, Input, Static

from penstock.cli.support.output import escape_control
from penstock.cli.top.session import Session
from penstock.cli.top.style import BAD, DIM, TEXT
from penstock.cli.top.widgets.listing import Cell, Column, Listing
from penstock.cli.top.wording import reason_of

T = TypeVar("T")

Row = tuple[str, Sequence[Cell]]


LIST_BINDINGS: Final[list[BindingType]] = [
    Binding("slash", "filter", "filter", key_display="/"),
    Binding("escape", "back", "back"),
]
"""The keys of every list; a screen puts its own before them."""


class ListScreen(Screen[None]):
    """A screen with a list that can be filtered."""

    DEFAULT_CSS = """
    ListScreen .heading, ListScreen .status { height: auto; max-height: 4; padding: 0 1; }
    ListScreen .status { margin-top: 1; }
    ListScreen .filter { height: 1; border: none; padding: 0 1; background: $surface; display: none; }
    ListScreen.-filtering .filter { display: block; }
    """
    COLUMNS: ClassVar[Sequence[Column]] = ()

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._rows: Sequence[Row] = ()
        self._heading = Static(classes="heading", markup=False)
        self._status = Static(classes="status", markup=False)
        self._listing = Listing(self.COLUMNS)
        self._filter = Input(placeholder="filter", classes="filter", compact=True)

    def compose(self) -> ComposeResult:
        """Put the list between the heading and the status."""
        yield self._heading
        yield self._listing
        yield self._filter
        yield self._status
        yield Footer()

    def on_mount(self) -> None:
        """Begin with the list."""
        self._listing.focus()
        self.start()

    def start(self) -> None:
        """Fill the screen; called once it is shown."""

    def head(self, title: str, details: str = "") -> None:
        """Set the heading; neither text is markup."""
        text = Text(escape_control(title), f"bold {TEXT}")
        self._heading.update(text.append(f"\n{escape_control(details)}", f"not bold {DIM}") if details else text)

    def say(self, text: str, *, bad: bool = False) -> None:
        """Set the line below the list; its text is not markup."""
        self._status.update(Text(text, BAD if bad else DIM))

    def fill(self, rows: Sequence[Row]) -> None:
        """Set the rows, each with a key of its own."""
        self._rows = rows
        self._show_rows()

    @property
    def selected(self) -> str | None:
        """The key of the selected row."""
        return self._listing.selected

    def read(self, read: Coroutine[Any, Any, T], then: Callable[[T], None]) -> None:
        """Wait for what is read in a thread, and pass it on; an error is shown below the list."""
        self.run_worker(self._read(read, then), exclusive=True, exit_on_error=False)

    async def _read(self, read: Coroutine[Any, Any, T], then: Callable[[T], None]) -> None:
        try:
            result = await read
        except Exception as error:  # noqa: BLE001 (shown; the rest of the screen stays)
            self.say(reason_of(error), bad=True)
        else:
            then(result)

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """Open a row."""
        event.stop()
        if event.row_key.value is not None:
            self.open(event.row_key.value)

    def open(self, key: str) -> None:
        """Open the row with this key; most lists have nothing to open."""

    def action_filter(self) -> None:
        """Show the filter, and type into it."""
        self.add_class("-filtering")
        self._filter.focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter while the text is typed."""
        event.stop()
        self._show_rows()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Keep the filter, and go back to the list."""
        event.stop()
        self._listing.focus()

    def action_back(self) -> None:
        """Drop the filter, or leave the screen if there is none."""
        if self.has_class("-filtering"):
            self.remove_class("-filtering")
            self._filter.value = ""
            self._listing.focus()
        else:
            self.dismiss(None)

    def _show_rows(self) -> None:
        wanted = self._filter.value.casefold()
        self._listing.show([row for row in self._rows if wanted in " ".join(map(str, row[1])).casefold()])
