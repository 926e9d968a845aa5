"""One dead letter: why it is one, and its payload, which is hidden unless it is asked for."""

import json
from collections.abc import Iterator
from typing import ClassVar

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import Screen
from textual.widgets import Footer, Static

from penstock.cli.operate.letters import Letter
from penstock.cli.support.output import escape_control, format_duration, format_time
from penstock.cli.support.pretty import pretty
from penstock.cli.top.screens.replay import start_replay
from penstock.cli.top.screens.trial import TrialScreen
from penstock.cli.top.session import Session
from penstock.cli.top.style import DIM, TEXT, WARN
from penstock.cli.top.wording import chosen_letter

_LONGEST_BODY = 65_536
"""In characters: a screen is no place for more."""


class LetterScreen(Screen[None]):
    """A dead letter. Its payload is hidden again when the screen is left, or covered by another."""

    DEFAULT_CSS = """
    LetterScreen VerticalScroll { padding: 0 1; }
    LetterScreen .payload { margin-top: 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("v", "reveal", "show payload"),
        Binding("t", "trial", "trial"),
        Binding("p", "replay", "replay"),
        Binding("escape", "back", "back"),
    ]

    def __init__(self, session: Session, letter: Letter) -> None:
        """Take the dead letter."""
        super().__init__()
        self._session = session
        self._letter = letter
        self._revealed = False
        self._payload = Static(classes="payload", markup=False)

    def compose(self) -> ComposeResult:
        """Put the fields above the payload."""
        with VerticalScroll():
            yield Static(_fields(self._letter, self._session.now()), markup=False)
            yield self._payload
        yield Footer()

    def on_mount(self) -> None:
        """Begin without the payload."""
        self._show_payload(revealed=False)

    def on_screen_suspend(self) -> None:
        """Hide the payload while another screen covers this one."""
        self._show_payload(revealed=False)

    def action_reveal(self) -> None:
        """Show the payload, or hide it."""
        self._show_payload(revealed=not self._revealed)

    def action_trial(self) -> None:
        """Show what the drain would do with it now."""
        self.app.push_screen(TrialScreen(self._session, chosen_letter(self._letter)))

    def action_replay(self) -> None:
        """Ask whether to replay it."""
        start_replay(self.app, self._session, chosen_letter(self._letter))

    def action_back(self) -> None:
        """Leave the screen."""
        self.dismiss(None)

    def _show_payload(self, *, revealed: bool) -> None:
        self._revealed = revealed
        self._payload.update(draw_payload(self._letter, revealed=revealed))


def draw_payload(letter: Letter, *, revealed: bool) -> Text:
    """Draw the payload, or its shape: the types of its values in their places."""
    title = "payload, hidden again when you leave" if revealed else "shape of the payload: v shows the values"
    body = letter.body if revealed else json.dumps(letter.shape, ensure_ascii=False)
    text = "\n".join(map(escape_control, pretty(body)))
    drawn = Text(f"{title}\n", WARN if revealed else DIM)
    if len(text) > _LONGEST_BODY:
        drawn.append(f"the first {_LONGEST_BODY:,} of {len(text):,} characters\n", WARN)
    return drawn.append(text[:_LONGEST_BODY], TEXT)


def _fields(letter: Letter, now: float) -> RenderableType:
    """Draw what is known of a dead letter besides its payload."""
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in _named(letter, now):
        if value:
            table.add_row(Text(name, DIM), Text(escape_control(value), TEXT))
    return table


def _named(letter: Letter, now: float) -> Iterator[tuple[str, str | None]]:
    """Yield the fields with their names; a field without a value is None."""
    stamp = letter.stamp
    yield "intent", letter.id
    yield "kind", letter.kind
    if stamp is None:
        yield "cause", f"moved by {letter.origin}" if letter.kind else "a message of another program"
    else:
        yield "cause", stamp.detail
        yield "fault", f"{stamp.fault}, {stamp.reason}"
        for name in ("sqlstate", "constraint", "table", "column", "first_seen", "function_version", "fingerprint"):
            yield name.replace("_", " "), getattr(stamp, name)
    yield "sent", f"{format_time(letter.sent_at)}, {format_duration(now - letter.sent_at)} ago"
    yield "expires", f"{format_time(letter.expires_at)}, in {format_duration(letter.expires_at - now)}"
    yield "receives", f"{letter.receive_count}, replayed {letter.replays} times"
    yield "group", letter.group
    yield "attributes", ", ".join(letter.attributes)
    yield "message", letter.message_id
