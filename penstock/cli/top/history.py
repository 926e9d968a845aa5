"""The figures of a stage over time, as `penstock top` has read them."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from penstock.cli.status.figures import Figures
from penstock.cli.status.snapshot import Snapshot

LONGEST_HISTORY: Final = 1000
"""In snapshots: more than the columns of any terminal."""


@dataclass(slots=True)
class History:
    """The figures of the last `LONGEST_HISTORY` snapshots, the oldest first."""

    figures: deque[Figures] = field(default_factory=lambda: deque(maxlen=LONGEST_HISTORY))

    def add(self, snapshot: Snapshot) -> None:
        """Add the figures of a snapshot."""
        self.figures.append(Figures.of(snapshot))

    def last(self, count: int, of: Callable[[Figures], float | None]) -> list[float | None]:
        """Return the last values of a figure."""
        return [of(one) for one in self._last(count)]

    def times(self, count: int) -> list[datetime]:
        """Return when the last figures were read."""
        return [one.at for one in self._last(count)]

    def _last(self, count: int) -> Sequence[Figures]:
        return list(self.figures)[-count:] if count > 0 else []
