"""The application behind `penstock top`."""

import asyncio
import signal
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import ClassVar, Final, Protocol

from textual.app import App
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen
from textual.worker import WorkerFailed

from penstock.cli.status.snapshot import Snapshot
from penstock.cli.top.history import History
from penstock.cli.top.screens.breaker import BreakerScreen
from penstock.cli.top.screens.causes import CausesScreen
from penstock.cli.top.screens.dialogs import Help
from penstock.cli.top.screens.main import MainScreen
from penstock.cli.top.screens.operations import OperationsScreen
from penstock.cli.top.session import Session
from penstock.cli.top.style import BACKGROUND, THEME
from penstock.cli.top.tenants import Tenants

_SIGNALS: Final = ("SIGINT", "SIGTERM", "SIGHUP")
_TENANTS_SECONDS: Final = 60.0
"""CloudWatch has new values each minute, and each request costs money."""


class Reader(Protocol):
    """Reads the state of a stage."""

    def read(self) -> Snapshot:
        """Return the state now."""
        ...

    def tenants(self, now: datetime) -> Tenants:
        """Return what is known of the tenants of the queue."""
        ...


class TopApp(App[None]):
    """Shows a stage, and reads it again and again until it is told to quit.

    Attributes:
        session: what its screens share.
        history: the figures so far.
        fault: an error that nobody expected, which ended it; None if there was none.
    """

    ENABLE_COMMAND_PALETTE = False
    VERTICAL_BREAKPOINTS = [(0, "-low"), (30, "-high")]  # noqa: RUF012 (as Textual declares it)
    CSS = f"Screen {{ background: {BACKGROUND}; }}"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("question_mark", "help", "help", key_display="?"),
        Binding("q", "quit", "quit"),
        Binding("ctrl+c", "quit", "quit", show=False, priority=True),
    ]

    def __init__(self, reader: Reader, session: Session, *, seconds: float, stage_options: str) -> None:
        """Take what it shows.

        Args:
            reader: reads the stage.
            session: what its screens share.
            seconds: the time between two snapshots.
            stage_options: the options that name the stage, for commands that are shown.
        """
        super().__init__()
        self.session = session
        self.history = History()
        self.fault: Exception | None = None
        self._reader = reader
        self._seconds = seconds
        self._main = MainScreen(self.history, stage_options)
        self._tenants: Tenants | None = None
        self._newest: Snapshot | None = None
        self._wanted = asyncio.Event()

    def on_mount(self) -> None:
        """Begin to read, and end in order when a signal asks for it."""
        self.register_theme(THEME)
        self.theme = THEME.name
        self.push_screen(self._main)
        self.run_worker(self._poll())
        self.run_worker(self._poll_tenants())
        for name in _SIGNALS:
            number = getattr(signal, name, None)
            with suppress(NotImplementedError, ValueError, RuntimeError):  # Windows, or not the main thread.
                if number is not None:
                    asyncio.get_running_loop().add_signal_handler(number, self._end, 128 + number)

    def action_refresh_now(self) -> None:
        """Read the stage now."""
        self._wanted.set()

    def action_causes(self) -> None:
        """Read the dead letters, and show them by cause."""
        self.push_screen(CausesScreen(self.session))

    def action_breaker(self) -> None:
        """Show the breaker."""
        self.push_screen(BreakerScreen(self.session))

    def action_operations(self) -> None:
        """Show what operators did."""
        self.push_screen(OperationsScreen(self.session))

    def action_help(self) -> None:
        """Show the keys."""
        if not isinstance(self.screen, ModalScreen):
            self.push_screen(Help())

    def _end(self, code: int) -> None:
        self.exit(return_code=code)

    def _handle_exception(self, error: Exception) -> None:
        """End with an error that nobody expected.

        Textual would print the local variables with it, which can hold payloads and passwords.
        """
        cause = error.error if isinstance(error, WorkerFailed) and isinstance(error.error, Exception) else error
        self.fault = self.fault or cause
        self.exit(return_code=1)

    async def _poll(self) -> None:
        """Read snapshots, each `seconds` after the one before, or at once when one is wanted."""
        while True:
            started = time.monotonic()
            snapshot = await self.session.threads.call(self._reader.read)
            self.history.add(snapshot)
            self._newest = snapshot
            self._show()
            self._wanted.clear()
            left = self._seconds - (time.monotonic() - started)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wanted.wait(), max(left, 0.01))

    async def _poll_tenants(self) -> None:
        """Read what is known of tenants, which may take longer than all else."""
        while True:
            self._tenants = await self.session.threads.call(lambda: self._reader.tenants(datetime.now(UTC)))
            self._show()
            await asyncio.sleep(_TENANTS_SECONDS)

    def _show(self) -> None:
        if self._newest:
            self._main.show(self._newest, self._tenants)
