"""The figures of a stage over time: one background thread reads them, however many pages are open."""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from penstock.cli.status.snapshot import Snapshot

EVERY_SECONDS: Final = 3.0
KEPT_SECONDS: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Sample:
    """The figures of one moment; None for one that was not known.

    Attributes:
        at: the time, in seconds since the epoch.
        per_second: how many intents were settled per second, in the last minute.
        queued: how many messages are on the queue, waiting or in flight.
        p50: the median time from emit to commit in the last minute, in seconds.
        p99: the 99th percentile of the same.
        dead: how many dead letters there are.
    """

    at: float
    per_second: float | None
    queued: float | None
    p50: float | None
    p99: float | None
    dead: float | None

    @classmethod
    def of(cls, snapshot: Snapshot) -> "Sample":
        """Take the figures of a snapshot."""
        figures = snapshot.figures
        return cls(
            at=snapshot.at.timestamp(),
            per_second=figures.per_second if figures else None,
            queued=snapshot.queue.total if snapshot.queue else None,
            p50=figures.p50_seconds if figures else None,
            p99=figures.p99_seconds if figures else None,
            dead=snapshot.dead_letters.total if snapshot.dead_letters else None,
        )


class Sampler:
    """Reads snapshots in a thread of its own, and keeps the figures of the last hour."""

    def __init__(self, read: Callable[[], Snapshot]) -> None:
        """Take what reads a snapshot; it is called in the thread alone."""
        self._read = read
        self._stopping = threading.Event()
        self._samples: deque[Sample] = deque(maxlen=int(KEPT_SECONDS / EVERY_SECONDS))
        self._thread = threading.Thread(target=self._run, name="penstock-console-sampler", daemon=True)
        self.latest: Snapshot | None = None
        self.error: Exception | None = None

    @property
    def samples(self) -> list[Sample]:
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
        self._samples.append(Sample.of(snapshot))
        self.latest = snapshot

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self.add(self._read())
                self.error = None
            except Exception as error:  # noqa: BLE001 (the next read may succeed; the page shows the error)
                self.error = error
            self._stopping.wait(EVERY_SECONDS)
