"""Small windows over a screen: a question that wants a yes, a line of text, and the help."""

from typing import ClassVar, Final

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Input, Label

from penstock.cli.top.style import DIM, TEXT, WARN

DIALOG_CSS = """
{name} {{ align: center middle; background: $background 60%; }}
{name} > .window {{
    width: 76; max-width: 94%; height: auto; max-height: 94%; padding: 1 2;
    background: $surface; border: round $primary;
}}
{name} Label {{ width: 100%; }}
{name} Input {{ margin: 1 0 0 0; }}
"""


QUIT: Final = Binding("q", "app.quit", "quit")
"""A window does not have the app's own keys."""


class Confirm(ModalScreen[bool]):
    """Asks before something is changed. Only `y` is a yes; Enter is none, since it may be pressed by habit."""

    DEFAULT_CSS = DIALOG_CSS.format(name="Confirm")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "yes"),
        Binding("n,escape", "answer(False)", "no"),
        QUIT,
    ]

    def __init__(self, question: str, details: str = "") -> None:
        """Take the question, and what the answer leads to. Neither is markup."""
        super().__init__()
        self._question = question
        self._details = details

    def compose(self) -> ComposeResult:
        """Put the question above the keys."""
        with VerticalScroll(classes="window"):
            yield Label(Text(self._question, f"bold {WARN}"))
            if self._details:
                yield Label(Text(f"\n{self._details}", TEXT))
            yield Label(Text("\ny  yes     n  no, change nothing", DIM))

    def action_answer(self, answer: bool) -> None:
        """Close with the answer."""
        self.dismiss(answer)


class Ask(ModalScreen[str | None]):
    """Asks for a line of text; Escape gives none."""

    DEFAULT_CSS = DIALOG_CSS.format(name="Ask")
    AUTO_FOCUS = "Input"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "cancel", "cancel")]

    def __init__(self, question: str, details: str) -> None:
        super().__init__()
        self._question = question
        self._details = details

    def compose(self) -> ComposeResult:
        """Put the question above the line to type in."""
        with Vertical(classes="window"):
            yield Label(Text(self._question, f"bold {TEXT}"))
            yield Label(Text(self._details, DIM))
            yield Input(max_length=180)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Close with the text, once there is one."""
        if event.value.strip():
            self.dismiss(event.value.strip())

    def action_cancel(self) -> None:
        """Close without a text."""
        self.dismiss(None)


_HELP = (
    ("the stage", ""),
    ("enter, c", "read the dead letters, and show them by cause"),
    ("b", "the breaker: turn the drain off or on"),
    ("o", "what operators did: replays, purges, the breaker"),
    ("r", "read again now"),
    ("causes and dead letters", ""),
    ("enter", "open: a cause, a dead letter"),
    ("t", "trial: what the drain would do now, rolled back"),
    ("p", "replay: send back to the queue, a canary first"),
    ("v", "show the payload of a dead letter, or hide it"),
    ("/", "filter"),
    ("everywhere", ""),
    ("escape", "back"),
    ("?", "this help"),
    ("q", "quit"),
)
_NOTES = (
    "The first screen receives no message. SQS cannot read a message without receiving it: to open the causes "
    "counts as one receive of each dead letter, and hides them from others until all are read. Whatever changes "
    "something asks first."
)


class Help(ModalScreen[None]):
    """The keys."""

    DEFAULT_CSS = DIALOG_CSS.format(name="Help")
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,question_mark,enter", "close", "close"), QUIT]

    def compose(self) -> ComposeResult:
        """List the keys."""
        text = Text()
        for key, meaning in _HELP:
            if meaning:
                text.append(f"  {key:<9}", TEXT).append(f"{meaning}\n", DIM)
            else:
                text.append(f"{key}\n", f"bold {TEXT}")
        with VerticalScroll(classes="window"):
            yield Label(text)
            yield Label(Text(_NOTES, DIM))

    def action_close(self) -> None:
        """Close."""
        self.dismiss(None)
