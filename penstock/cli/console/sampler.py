"""The figures of a stage over time: one background thread reads them, however many pages are open."""

import threading
from collections import deque
from collections.abc import Callable
from typing import Final

from penstock.cli.status.figures import Figures
from penstock.cli.status.snapshot import Snapshot

EVERY_SECONDS: Final = 3.0
KEPT_SECONDS: Final = 3600.0


class Sampler:
    """Reads snapshots in a thread of its own, and keeps the figures of the last hour."""

    def __init__(self, read: Callable[[], Snapshot]) -> None:
        """Take what reads a snapshot; it is called in the thread alone."""
        self._read = read
        self._stopping = threading.Event()
        self._samples: deque[Figures] = deque(maxlen=int(KEPT_SECONDS / EVERY_SECONDS))
        self._thread = threading.Thread(target=self._run, name="penstock-console-sampler", daemon=True)
        self.latest: Snapshot | None = None
        self.error: Exception | None = None

    @property
    def samples(self) -> list[Figures]:
        """The figures so far, the oldest first."""
        return list(self._samples)

    def start(self) -> None:
        """Start to read."""
        self._thread.start()

    def stop(self) -> None:
        """Stop to read, without waiting for a read that is under way."""
        self._stopping.set()

    def add(self, snapshot: Snapshot) -> None:
        """Take a snapshot."""
        self._samples.append(Figures.of(snapshot))
        self.latest = snapshot

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self.add(self._read())
                self.error = None
            except Exception as error:  # noqa: BLE001 (the next read may succeed; the page shows the error)
                self.error = error
            self._stopping.wait(EVERY_SECONDS)
