"""The rate of a replay is kept."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.queue.rate_limiter import RateLimiter
from penstock.testing.clock import ManualClock


@pytest.mark.parametrize("rate", [0.5, 3.0, 40.0, 2000.0])
@given(counts=st.lists(st.integers(1, 200), max_size=20))
def test_a_rate_is_kept(rate: float, counts: list[int]) -> None:
    """Whatever the sizes, no more messages than the rate allows are sent at any time, except for one slice."""
    clock = ManualClock()
    began = clock()
    limiter = RateLimiter(rate, clock, clock.advance)
    gone = 0
    for wanted in counts:
        size = limiter.slice_size(wanted)
        limiter.wait_for(size)
        assert gone <= rate * (clock() - began) * 1.01 + 0.01
        gone += size


def test_a_page_is_no_larger_than_its_leases_allow() -> None:
    """At a slow rate a page is small, so that it is sent before its leases expire."""
    assert [RateLimiter(rate).page_size(160) for rate in (None, 100, 1, 0.01)] == [160, 160, 30, 1]
    with pytest.raises(ValueError, match="above 0"):
        RateLimiter(0)
