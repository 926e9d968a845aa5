"""A clock that moves only when a test moves it."""


class ManualClock:
    """A clock in seconds since the epoch. Call it for the time. Several fakes may share one clock."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        """Start at `now`, in seconds since the epoch."""
        self._now = now

    def __call__(self) -> float:
        """Return the time in seconds since the epoch."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Move the clock forward by `seconds`.

        Raises:
            ValueError: `seconds` is negative.
        """
        if seconds < 0:
            raise ValueError("time does not run backwards")
        self._now += seconds
