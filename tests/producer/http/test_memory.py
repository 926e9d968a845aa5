"""A producer function lives for hours: what a request leaves behind in memory would add up."""

import gc
import tracemalloc
from collections.abc import Callable, Iterator

import pydantic.main
import pytest

from benchmarks.emit.memory import asking, memory_figures

WARM_UP, REQUESTS = 500, 1500
LEAST_LEAK_BYTES = 30
"""Less than any object takes; what the allocator and the caches of the interpreter do is under a third of it."""


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], None]]:
    """Sends the request of a number, each another one, to the shop's handlers."""
    tracemalloc.start()
    yield asking(monkeypatch.setattr)
    tracemalloc.stop()


def held() -> int:
    """Count what is allocated, but for Pydantic's cache of short strings: it grows to 16,384 of them."""
    gc.collect()
    without = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(False, pydantic.main.__file__)])
    return sum(trace.size for trace in without.traces)


def test_requests_leave_nothing_behind(ask: Callable[[int], None]) -> None:
    """After many requests, good, repeated, refused and in batches, memory is what it was before them."""
    for number in range(WARM_UP):
        ask(number)
    before = held()
    for number in range(WARM_UP, WARM_UP + REQUESTS):
        ask(number)
    assert (held() - before) / REQUESTS < LEAST_LEAK_BYTES


def test_the_figures() -> None:
    """Memory is measured in a process of its own, at each mark above the first."""
    assert [(figure.name, figure.unit) for figure in memory_figures([10, 20, 30])] == [
        ("memory: 20 requests above 10", "MiB"),
        ("memory: 30 requests above 10", "MiB"),
    ]
