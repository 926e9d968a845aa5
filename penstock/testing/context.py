"""The Lambda context of an invocation, whose remaining time follows a clock."""

import time
from collections.abc import Callable


class LambdaContext:
    """The context object of an invocation (AWS Lambda Developer Guide, "Lambda context in Python")."""

    function_name = "test"
    function_version = "1"
    invoked_function_arn = "arn:aws:lambda:eu-central-1:000000000000:function:test"
    memory_limit_in_mb = 512
    aws_request_id = "00000000-0000-0000-0000-000000000000"

    def __init__(self, seconds: float = 60.0, clock: Callable[[], float] = time.monotonic) -> None:
        """Start an invocation.

        Args:
            seconds: the timeout of the function, in seconds.
            clock: returns the time in seconds; by default the real, monotonic clock.
        """
        self._clock = clock
        self._deadline = clock() + seconds

    def get_remaining_time_in_millis(self) -> int:
        """Return the remaining time in milliseconds."""
        return max(0, int((self._deadline - self._clock()) * 1000))
