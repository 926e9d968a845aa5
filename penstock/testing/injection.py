"""Refusals that a test injects into a queue in memory."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Literal

from penstock.queue import DEADLINE_EXCEEDED, Refusal

Call = Literal["send", "receive", "delete", "change_visibility"]


@dataclass(slots=True)
class _Injected:
    refusal: Refusal
    calls: int | None
    positions: Collection[int] | None


class InjectedRefusals:
    """The refusals that a test has injected, by the method that they apply to."""

    def __init__(self) -> None:
        """Inject nothing yet."""
        self._injected: dict[Call, _Injected] = {}

    def inject(self, call: Call, refusal: Refusal, calls: int | None, positions: Collection[int] | None) -> None:
        """Refuse the next `calls` calls of a method, or all if None; this replaces its earlier refusals."""
        self._injected[call] = _Injected(refusal, calls, positions)

    def clear(self) -> None:
        """Remove all refusals."""
        self._injected.clear()

    def next(self, call: Call, count: int, timeout_seconds: float | None = None) -> dict[int, Refusal]:
        """Return the refusals of one call with `count` items, by position; this counts as a call."""
        if timeout_seconds is not None and timeout_seconds <= 0:
            return dict.fromkeys(range(count), DEADLINE_EXCEEDED)
        injected = self._injected.get(call)
        if injected is None:
            return {}
        if injected.calls is not None:
            injected.calls -= 1
            if not injected.calls:
                del self._injected[call]
        positions: Iterable[int] = range(count) if injected.positions is None else injected.positions
        return {index: injected.refusal for index in positions if index < count}
