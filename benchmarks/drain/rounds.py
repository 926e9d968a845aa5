"""Timing in interleaved rounds (A B C B C A ...): other load on the machine affects all contenders equally."""

import gc
import random
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from benchmarks.drain.events import Event

WARM_UP = 2
"""The number of rounds that are run first and not counted."""

_order = random.Random(20_261_126)  # noqa: S311 (the same order in every run)

Run = Callable[[], None]


class Turn(Protocol):
    """The work of one contender in each round."""

    @property
    def event(self) -> Event:
        """The event of the latest round."""

    def prepare(self) -> Sequence[Run]:
        """Prepare the round, not timed; return the calls to time, one for each event."""

    def check(self) -> None:
        """Check, not timed, that the work was done."""


@dataclass(frozen=True, slots=True)
class Timing:
    """The times of one contender at one event size.

    Attributes:
        records: records per event.
        body_bytes: the mean length of their bodies.
        seconds: the time of each event, in order.
    """

    records: int
    body_bytes: float
    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """The median of the events, in seconds."""
        return statistics.median(self.seconds)

    @property
    def rate(self) -> float:
        """Records per second, at the median."""
        return self.records / self.median

    def as_json(self) -> dict[str, Any]:
        """Return the times and what follows from them."""
        return {**asdict(self), "median_seconds": self.median, "records_per_second": self.rate}


def interleave(
    turns: Mapping[str, Turn], *, rounds: int, before_round: Callable[[], None] = lambda: None
) -> dict[str, Timing]:
    """Run every contender in each round, in an order that changes from round to round.

    Args:
        turns: the contenders' turns by name.
        rounds: the number of counted rounds.
        before_round: called before each round, not timed.
    """
    seconds: dict[str, list[float]] = {name: [] for name in turns}
    for number in range(WARM_UP + rounds):
        before_round()
        for name in _order.sample([*turns], len(turns)):
            turn = turns[name]
            times = _time(turn.prepare())
            turn.check()
            if number >= WARM_UP:
                seconds[name] += times
    return {name: _timing(turn.event, seconds[name]) for name, turn in turns.items()}


def ratio(time: Timing, other: Timing) -> float:
    """Return how often one contender's time contains that of another one, of the same run of `interleave`.

    It is the median of the ratios of all events. Both times of a ratio are of the same round, so other load has
    affected both, which it has not if the medians are of different moments.
    """
    pairs = zip(time.seconds, other.seconds, strict=True)
    return statistics.median(mine / theirs for mine, theirs in pairs)


def rounds_for(records: int, rounds: int) -> int:
    """Return the number of rounds for an event size, at least five, given that for 1,000 records."""
    return min(2 * rounds, max(5, rounds * 1000 // records))


def events_for(records: int) -> int:
    """Return how many events of a size a contender gets in each of its turns.

    A small event takes less than a millisecond, so its median needs hundreds of them.
    """
    return max(1, min(20, 200 // records))


def _timing(event: Event, seconds: Sequence[float]) -> Timing:
    sizes = [len(record["body"].encode()) for record in event["Records"]]
    return Timing(len(sizes), statistics.mean(sizes), tuple(seconds))


def _time(runs: Sequence[Run]) -> list[float]:
    """Time calls, which start without garbage; the garbage collector stays enabled, as on Lambda."""
    gc.collect()
    return [_time_one(run) for run in runs]


def _time_one(run: Run) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start
