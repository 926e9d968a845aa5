"""What the screens of `penstock top` share."""

import time
from collections.abc import Callable
from threading import Lock

from penstock.cli.operate.stage import OperatedStage
from penstock.cli.top.threads import Threads


class Session:
    """One run of `penstock top`.

    Attributes:
        threads: where blocking calls run.
        now: returns the time, in seconds since the epoch.
    """

    def __init__(self, open_stage: Callable[[], OperatedStage], now: Callable[[], float] = time.time) -> None:
        """Take what opens the stage to operate, once it is needed, and the clock."""
        self.threads = Threads()
        self.now = now
        self._open_stage = open_stage
        self._stage: OperatedStage | None = None
        self._lock = Lock()

    def stage(self) -> OperatedStage:
        """Return the stage. The first call takes a second or more: it belongs in a thread.

        Raises:
            Failure: there is no such stack, or it does not belong to a Penstock service; a later call tries again.
        """
        with self._lock:
            if self._stage is None:
                self._stage = self._open_stage()
            return self._stage
