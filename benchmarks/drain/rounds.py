"""Timing in interleaved rounds: A B C A B C ..., so that whatever else the machine does hits all alike."""

import gc
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from benchmarks.drain.events import Event

WARM_UP = 2
"""Rounds that are run like all others and not counted."""

Run = Callable[[], None]


class Turn(Protocol):
    """What one contender does in each round."""

    @property
    def event(self) -> Event:
        """The event of the latest round."""

    def prepare(self) -> Run:
        """Make everything ready, outside of the clock, and return what is to be timed."""

    def check(self) -> None:
        """See, outside of the clock, that the work was done."""


@dataclass(frozen=True, slots=True)
class Timing:
    """How long one size took one contender.

    Attributes:
        records: records per event.
        body_bytes: how long their bodies are, on average.
        seconds: of each round, in order.
    """

    records: int
    body_bytes: float
    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """The median of the rounds, in seconds."""
        return statistics.median(self.seconds)

    @property
    def rate(self) -> float:
        """Records per second, at the median."""
        return self.records / self.median

    def as_json(self) -> dict[str, Any]:
        """Return every figure."""
        return {**asdict(self), "median_seconds": self.median, "records_per_second": self.rate}


def interleave(
    turns: Mapping[str, Turn], *, rounds: int, before_round: Callable[[], None] = lambda: None
) -> dict[str, Timing]:
    """Run every contender in each round.

    Args:
        turns: by name, in the order in which they are taken.
        rounds: how many rounds are counted.
        before_round: called before each round, outside of the clock.
    """
    seconds: dict[str, list[float]] = {name: [] for name in turns}
    for _ in range(WARM_UP + rounds):
        before_round()
        for name, turn in turns.items():
            seconds[name].append(_time(turn.prepare()))
            turn.check()
    return {name: _timing(turn.event, seconds[name][WARM_UP:]) for name, turn in turns.items()}


def rounds_for(records: int, rounds: int) -> int:
    """Return how many rounds a size is worth, if 1,000 records are worth `rounds`: five at least."""
    return min(2 * rounds, max(5, rounds * 1000 // records))


def _timing(event: Event, seconds: Sequence[float]) -> Timing:
    sizes = [len(record["body"].encode()) for record in event["Records"]]
    return Timing(len(sizes), statistics.mean(sizes), tuple(seconds))


def _time(run: Run) -> float:
    """Time a call that starts with no garbage; the collector stays on, as it does on Lambda."""
    gc.collect()
    start = time.perf_counter()
    run()
    return time.perf_counter() - start
