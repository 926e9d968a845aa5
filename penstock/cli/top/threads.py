"""Blocking calls in threads of their own, so that the screen never waits for one."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from threading import Event, Thread
from typing import TypeVar

T = TypeVar("T")


class Stopped(Exception):
    """The work was told to stop; raised inside its thread."""


class Stop:
    """The other end of work in a thread. It stops where it asks, such as between two pages of a queue."""

    def __init__(self) -> None:
        self._event = Event()
        self._loop = asyncio.get_running_loop()
        self._context = copy_context()

    def set(self) -> None:
        """Tell the work to stop."""
        self._event.set()

    @property
    def is_set(self) -> bool:
        """Whether the work is to stop."""
        return self._event.is_set()

    def check(self) -> None:
        """Go on, or stop.

        Raises:
            Stopped: the work is to stop.
        """
        if self.is_set:
            raise Stopped

    def wait(self, seconds: float) -> bool:
        """Wait up to this many seconds to be stopped, and return whether it was."""
        return self._event.wait(seconds)

    def tell(self, show: Callable[[T], object], value: T) -> None:
        """Show a value on the screen, unless the work is to stop: nobody looks any more."""
        with suppress(RuntimeError):  # The loop is closed.
            self._loop.call_soon_threadsafe(lambda: None if self.is_set else show(value), context=self._context)


class Threads:
    """Runs blocking calls in daemon threads: one that hangs does not keep the process alive."""

    def __init__(self) -> None:
        self._stops: dict[Thread, Stop] = {}

    async def call(self, function: Callable[[], T]) -> T:
        """Return what the function returns. If the waiting task is cancelled, the result is dropped.

        Raises:
            Exception: what the function raises.
        """
        return await self._start(function, None)

    async def call_with_stop(self, function: Callable[[Stop], T]) -> T:
        """The same for a function that has to clean up: it is told to stop if the task is cancelled.

        `stop_all` waits for it.

        Raises:
            Exception: what the function raises.
        """
        stop = Stop()
        try:
            return await self._start(lambda: function(stop), stop)
        except asyncio.CancelledError:
            stop.set()
            raise

    def stop_all(self, seconds: float) -> bool:
        """Tell all work to stop that has to clean up, and wait for it; return whether all of it ended.

        Args:
            seconds: the longest wait.
        """
        for stop in self._stops.values():
            stop.set()
        ends_at = time.monotonic() + seconds
        for thread in list(self._stops):
            thread.join(max(0.0, ends_at - time.monotonic()))
        return not any(thread.is_alive() for thread in self._stops)

    @property
    def must_clean_up(self) -> bool:
        """Whether any work is running that has to clean up."""
        return any(thread.is_alive() for thread in self._stops)

    def _start(self, function: Callable[[], T], stop: Stop | None) -> asyncio.Future[T]:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def settle(value: T | None, error: BaseException | None) -> None:
            if future.cancelled():
                return
            if error is None:
                future.set_result(value)  # type: ignore[arg-type]
            else:
                future.set_exception(error)

        def run() -> None:
            value: T | None = None
            error: BaseException | None = None
            try:
                value = function()
            except BaseException as raised:  # noqa: BLE001 (raised again by the task that waits)
                error = raised
            with suppress(RuntimeError):  # The loop is closed: nobody waits any more.
                loop.call_soon_threadsafe(settle, value, error)

        thread = Thread(target=run, daemon=True, name="penstock-top")
        if stop is not None:
            self._stops = {one: its for one, its in self._stops.items() if one.is_alive()} | {thread: stop}
        thread.start()
        return future
