"""A producer function runs for hours: memory that a request does not free would add up."""

import gc
import tracemalloc
from collections.abc import Callable, Iterator

import pydantic.main
import pytest

from benchmarks.emit.memory import memory_figures, request_sender

WARM_UP, REQUESTS = 500, 1500
LEAST_LEAK_BYTES = 30
"""Less than any object takes. The noise of the allocator and the interpreter's caches is below a third of it."""


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], None]]:
    """Sends the request with a number, each a different one, to the shop's handlers."""
    tracemalloc.start()
    yield request_sender(monkeypatch.setattr)
    tracemalloc.stop()


def held() -> int:
    """Return the allocated bytes without Pydantic's cache of short strings, which grows to 16,384 entries."""
    gc.collect()
    without = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(False, pydantic.main.__file__)])
    return sum(trace.size for trace in without.traces)


@pytest.mark.slow
def test_requests_leave_nothing_behind(ask: Callable[[int], None]) -> None:
    """Many requests, valid, repeated, refused and in batches, leave the memory as it was."""
    for number in range(WARM_UP):
        ask(number)
    before = held()
    for number in range(WARM_UP, WARM_UP + REQUESTS):
        ask(number)
    assert (held() - before) / REQUESTS < LEAST_LEAK_BYTES


def test_the_figures() -> None:
    """Memory is measured in a separate process, at each mark above the first."""
    assert [(figure.name, figure.unit) for figure in memory_figures([10, 20, 30])] == [
        ("memory: 20 requests above 10", "MiB"),
        ("memory: 30 requests above 10", "MiB"),
    ]
