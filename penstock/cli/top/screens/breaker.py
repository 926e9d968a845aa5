"""The breaker: its state, and turning the drain off and on."""

from collections.abc import Callable
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Label, Static

from penstock.cli.support.breaker import format_breaker
from penstock.cli.top.screens.dialogs import DIALOG_CSS, QUIT, Ask, Confirm
from penstock.cli.top.session import Session
from penstock.cli.top.style import BAD, BREAKER, DIM, TEXT, WARN
from penstock.cli.top.wording import reason_of
from penstock.consumer.breaker.manual import BreakerStatus


class BreakerScreen(ModalScreen[None]):
    """The breaker's state now, and two keys."""

    DEFAULT_CSS = DIALOG_CSS.format(name="BreakerScreen")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("o", "turn_off", "open: drain off"),
        Binding("c", "turn_on", "close: drain on"),
        Binding("escape,b", "back", "back"),
        QUIT,
    ]

    def __init__(self, session: Session) -> None:
        """Take the stage whose breaker is read when the screen is shown."""
        super().__init__()
        self._session = session
        self._busy = False
        self._state = Static("reading …", markup=False)
        self._result = Static("", markup=False)

    def compose(self) -> ComposeResult:
        """Put the state above the keys."""
        with VerticalScroll(classes="window"):
            yield Label(Text("breaker", f"bold {TEXT}"))
            yield self._state
            yield self._result
            yield Label(Text("\no  open: turn the drain off\nc  close: turn the drain on\nescape  back", DIM))

    def on_mount(self) -> None:
        """Read the state."""
        self.run_worker(self._read(), exit_on_error=False)

    def action_turn_off(self) -> None:
        """Ask for a reason and a yes, and turn the drain off."""

        def on_reason(reason: str | None) -> None:
            if reason is None:
                return
            details = (
                f"Reason: {reason}\nIntents are still accepted, and wait on the queue. Only closing it ends that."
            )
            self._ask("Turn the drain off?", details, lambda: self._session.stage().open_breaker(reason))

        if not self._busy:
            self.app.push_screen(
                Ask("Why is the drain turned off?", "The reason is a tag that others can see."), on_reason
            )

    def action_turn_on(self) -> None:
        """Ask for a yes, and turn the drain on."""
        details = "Also if another operator turned it off. If the database is unwell, the drain trips it again."
        if not self._busy:
            self._ask("Turn the drain on?", details, lambda: self._session.stage().close_breaker())

    def action_back(self) -> None:
        """Leave; a change that was begun goes on."""
        self.dismiss(None)

    def _ask(self, question: str, details: str, change: Callable[[], BreakerStatus]) -> None:
        def on_answer(answer: bool | None) -> None:
            if answer:
                self._busy = True
                # Of the app, not of this screen: it goes on when the screen is left.
                self.app.run_worker(self._change(change), exit_on_error=False)

        self.app.push_screen(Confirm(question, details), on_answer)

    async def _change(self, change: Callable[[], BreakerStatus]) -> None:
        self._say("Lambda takes up to a minute …", WARN)
        try:
            before = await self._session.threads.call_with_stop(lambda _: change())
        except Exception as error:  # noqa: BLE001 (shown)
            self._say(reason_of(error), BAD)
        else:
            self._say(f"Done. Before, it was {format_breaker(before)}.", TEXT)
        self._busy = False
        await self._read()

    def _say(self, text: str, colour: str) -> None:
        """Show how a change goes; if the screen was left meanwhile, as a notification."""
        if self.is_current or self.is_attached:
            self._result.update(Text(f"\n{text}", colour))
        else:
            self.app.notify(text, title="breaker", markup=False)

    async def _read(self) -> None:
        try:
            status = await self._session.threads.call(lambda: self._session.stage().breaker())
        except Exception as error:  # noqa: BLE001 (shown)
            self._state.update(Text(f"not known: {reason_of(error)}", BAD))
        else:
            self._state.update(Text(format_breaker(status), BREAKER.get(status.position, BAD)))
