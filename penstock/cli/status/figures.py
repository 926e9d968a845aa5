"""The figures of a snapshot that screens draw over time."""

from dataclasses import dataclass
from datetime import datetime

from penstock.cli.status.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of one snapshot; None for one that was not known.

    Attributes:
        at: when they were read.
        depth: the messages on the main queue, waiting or in flight.
        rate: the intents that were settled per second, in the last minute.
        p50: the median time from emit to commit in the last minute, in seconds.
        p99: the 99th percentile of the same.
        dead: the messages on the dead-letter queue.
    """

    at: datetime
    depth: float | None = None
    rate: float | None = None
    p50: float | None = None
    p99: float | None = None
    dead: float | None = None

    @classmethod
    def of(cls, snapshot: Snapshot) -> "Figures":
        """Return the figures of a snapshot."""
        figures = snapshot.figures
        return cls(
            at=snapshot.at,
            depth=snapshot.queue.total if snapshot.queue else None,
            rate=figures.per_second if figures else None,
            p50=figures.p50_seconds if figures else None,
            p99=figures.p99_seconds if figures else None,
            dead=snapshot.dead_letters.total if snapshot.dead_letters else None,
        )
