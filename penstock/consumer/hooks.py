"""Hooks: functions of the service's that are told of dead letters and of the breaker's transitions.

A hook only watches. It is called when everything else of an invocation is done, in a thread that the invocation
waits for `LONGEST_SECONDS` at most, and never into its last second. So a hook that raises, hangs or is slow
changes no outcome. What it was not called for is counted in the log.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from penstock.consumer.dead_letter import DeadLetter
from penstock.diagnosis import frames_of, where

LONGEST_SECONDS = 5.0
"""How long all hooks of an invocation may take together."""

_RESERVE_SECONDS = 1.0
"""What is left of an invocation for its response."""

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """A transition of the breaker.

    Attributes:
        position: where it is now: `open`, `half-open` or `closed`.
        by: who moved it: the `breaker`, the `probe`, an `operator`, or `somebody` without a mark.
        why: the reason it was opened for, with the time and, by hand, the operator; None if nothing says so.
        at: when.
        mapping: the UUID of the event source mapping.
    """

    position: str
    by: str
    why: str | None
    at: datetime
    mapping: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """The hooks of a drain.

    Attributes:
        on_dead_letter: a letter is on the dead-letter queue.
        on_transition: the breaker opened, is half-open, or closed.
    """

    on_dead_letter: Callable[[DeadLetter], object] | None = None
    on_transition: Callable[[Transition], object] | None = None


class HookCalls:
    """Collects what the hooks are told, and calls them at the end of each invocation."""

    def __init__(self, hooks: Callable[[], Hooks]) -> None:
        """Prepare to call hooks.

        Args:
            hooks: returns them. It is called in the thread of the hooks, when there is something to tell.
        """
        self._hooks = hooks
        self._letters: list[DeadLetter] = []
        self._transitions: list[Transition] = []
        self._thread: threading.Thread | None = None

    def dead_letters(self, letters: Iterable[DeadLetter]) -> None:
        """Remember letters that the dead-letter queue has accepted."""
        self._letters += letters

    def transition(self, transition: Transition | None) -> None:
        """Remember a transition of the breaker, if there was one."""
        if transition:
            self._transitions.append(transition)

    def run(self, seconds_left: float) -> None:
        """Call the hooks for what is remembered, transitions first, and forget it. Never raises.

        Args:
            seconds_left: how long the invocation may still run.
        """
        run = _Run(self._hooks, self._transitions, self._letters)
        self._transitions, self._letters = [], []
        if not run.left:
            return
        seconds = min(LONGEST_SECONDS, seconds_left - _RESERVE_SECONDS)
        if seconds > 0 and not (self._thread and self._thread.is_alive()):
            run.end = time.monotonic() + seconds
            self._start(run, seconds)
        if left := run.left:
            extra = {"action": "hooks_skipped", "calls": left}
            _logger.warning("hooks: no time for %d of the calls", left, extra=extra)

    def _start(self, run: "_Run", seconds: float) -> None:
        thread = threading.Thread(target=run, name="penstock-hooks", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # No thread can be started.
            _log_failure("start", error)
            return
        self._thread = thread
        thread.join(seconds)


class _Run:
    """The calls of one invocation."""

    def __init__(
        self, hooks: Callable[[], Hooks], transitions: list[Transition], letters: list[DeadLetter]
    ) -> None:
        self.end = 0.0
        self.left = len(transitions) + len(letters)
        self._hooks = hooks
        self._transitions = transitions
        self._letters = letters

    def __call__(self) -> None:
        """Make the calls, as long as there is time."""
        try:
            hooks = self._hooks()
        except BaseException as error:  # noqa: BLE001 (the service's module may raise anything)
            _log_failure("import", error)
            self.left = 0
            return
        for transition in self._transitions:
            self._call("on_transition", hooks.on_transition, transition)
        for letter in self._letters:
            self._call("on_dead_letter", hooks.on_dead_letter, letter)

    def _call(self, name: str, hook: Callable[[Any], object] | None, told: DeadLetter | Transition) -> None:
        if time.monotonic() >= self.end:
            return
        try:
            if hook:
                hook(told)
        except BaseException as error:  # noqa: BLE001 (a hook only watches)
            _log_failure(name, error)
        self.left -= 1


def _log_failure(name: str, error: BaseException) -> None:
    # No text of the error: it may contain values.
    extra = {"action": "hook_failed", "hook": name, "frames": frames_of(error)}
    _logger.error("the hook %s failed: %s", name, where(error), extra=extra)
