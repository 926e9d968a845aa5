"""How many sessions the functions of the service hold, asked now and then beside the batches."""

import time
from typing import Final

from penstock.database.engine import application_name
from penstock.database.sessions import count_sessions
from penstock.database.watchdog import Watchdog

_PAUSE_SECONDS: Final = 60.0
_LIMIT_SECONDS: Final = 2.0


class Sessions:
    """Counts the sessions of the service in its database, at most once a minute."""

    def __init__(self, database: Watchdog) -> None:
        """Take the database; nothing is asked yet."""
        self._database = database
        self._asked_at: float | None = None

    def count(self) -> int | None:
        """Return the number of sessions; None if they were counted less than a minute ago.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: the database did not answer in time.
        """
        now = time.monotonic()
        if self._asked_at is not None and now < self._asked_at + _PAUSE_SECONDS:
            return None
        self._asked_at = now
        service = application_name().partition(":")[0]
        with self._database.transaction(_LIMIT_SECONDS) as connection:
            return count_sessions(connection, service, own=True)
