"""Driving the app of `penstock top` without a terminal, with made-up figures and queues in memory."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from textual.pilot import Pilot
from textual.widgets import Input

from demo.picture import InventedReader, snapshot
from penstock.cli.operate.stage import OperatedStage
from penstock.cli.status.snapshot import Snapshot
from penstock.cli.top.app import Reader, TopApp
from penstock.cli.top.session import Session
from penstock.testing.clock import ManualClock

SIZES = [(40, 15), (80, 24), (200, 50)]
_SECONDS = 30.0


class Player:
    """An app under test, and the hand at its keys."""

    def __init__(self, app: TopApp, pilot: Pilot[None]) -> None:
        self.app = app
        self._pilot = pilot

    async def press(self, *keys: str) -> None:
        """Press keys, and wait until the app has taken them."""
        await self._pilot.press(*keys)

    async def type(self, text: str) -> None:
        """Type a text into the field that has the focus, at once: each key by itself would take longer."""
        field = self.app.focused
        assert isinstance(field, Input)
        field.insert_text_at_cursor(text)
        await self._pilot.pause()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for a condition."""
        while not condition():
            await asyncio.sleep(0.01)

    async def sees(self, *texts: str) -> str:
        """Wait until the screen shows all of these texts, on whatever lines, and return the screen."""
        try:
            await self.until(lambda: all(text in " ".join(self.screen.split()) for text in texts))
        except asyncio.CancelledError:
            raise AssertionError(f"no {texts} on the screen:\n{self.screen}") from None
        return self.screen

    async def resize(self, width: int, height: int) -> None:
        """Change the size of the screen."""
        await self._pilot.resize_terminal(width, height)

    @property
    def screen(self) -> str:
        """The text on the screen; under a window, only that of the window."""
        lines = (strip.text for strip in self.app.screen._compositor.render_strips())
        return "\n".join(line.strip(" │") if self.app.screen.is_modal else line for line in lines)


def play(
    steps: Callable[[Player], Awaitable[None]],
    stage: Callable[[], OperatedStage],
    reader: Reader | None = None,
    *,
    before: Iterable[Snapshot] = (),
    size: tuple[int, int] = (80, 24),
    clock: ManualClock | None = None,
) -> TopApp:
    """Run the app, take the steps, and return it when it has ended.

    Args:
        steps: what is done with it.
        stage: opens the stage.
        reader: reads its figures; by default a fixed snapshot.
        before: the snapshots that the history begins with.
        size: the columns and lines of the screen.
        clock: the clock of ages.
    """

    async def run() -> TopApp:
        session = Session(stage, clock or ManualClock())
        app = TopApp(reader or InventedReader([snapshot()]), session, seconds=600, stage_options=" --stage dev")
        for one in before:
            app.history.add(one)
        async with asyncio.timeout(_SECONDS), app.run_test(size=size, notifications=True) as pilot:
            await steps(Player(app, pilot))
        if app.fault:
            raise app.fault
        return app

    return asyncio.run(run())
