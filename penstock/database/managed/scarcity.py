"""Whether the server's connections are scarce, and the end of sessions that nobody uses then."""

import logging
import time
from typing import Any, Final

import psycopg

from penstock.database.engine import application_name
from penstock.database.managed.ask import ask
from penstock.database.managed.cleaning import Cleaning, clean, marked
from penstock.database.managed.events import Recorder
from penstock.database.managed.utilization import Utilization

_COUNT_SECONDS: Final = 1.0
"""How long a count of the connections is good enough."""
_PROCESS: Final = "SELECT pg_catalog.pg_backend_pid()"

_logger = logging.getLogger(__name__)


class Scarcity:
    """Watches the share of the server's connections that are in use.

    Behind a pooler there is nothing to watch: the sessions that the server has are the pooler's.
    """

    def __init__(self, share: float | None, cleaning: Cleaning | None, recorder: Recorder) -> None:
        """Watch.

        Args:
            share: the share above which connections are scarce; None to watch nothing.
            cleaning: which sessions of other instances may be ended then; None for none.
            recorder: is told what happens.
        """
        self._share = share
        self._cleaning = cleaning
        self._recorder = recorder
        self._utilization = Utilization()
        self._looked_at = float("-inf")
        self._pooled: bool | None = None
        name = application_name()
        self._own_function = name.rpartition(":")[0] + ":"
        self.options: dict[str, Any] = {"application_name": marked(name)} if cleaning else {}
        """The options of libpq that the connections need."""

    @property
    def cleans(self) -> bool:
        """Whether other instances may end the connection, so that it has to hold a lock while it works."""
        return self._cleaning is not None and not self._pooled

    @property
    def is_due(self) -> bool:
        """Whether the last look is too old."""
        watched = self._share is not None and not self._pooled
        return watched and time.monotonic() > self._looked_at + _COUNT_SECONDS

    def first_look(self, connection: psycopg.Connection[Any], *, waited: bool) -> bool:
        """Return whether connections are scarce, of a connection that was just made.

        Args:
            connection: the connection.
            waited: whether it took more than one attempt, so that they are, and need not be counted.

        Raises:
            psycopg.Error: the server did not answer.
        """
        if self._share is None:
            return waited
        if self._pooled is None:
            # A pooler's process is another one than that of the session in Postgres.
            self._pooled = ask(connection, _PROCESS) != [[str(connection.info.backend_pid)]]
            if self._pooled and self._cleaning:
                _logger.warning("cleaning is off: a pooler is in between", extra={"action": "cleaning_off"})
        if self._pooled or not waited:
            return waited or (not self._pooled and self.look(connection))
        return not self._clean(connection)

    def look(self, connection: psycopg.Connection[Any]) -> bool:
        """Return whether connections are scarce. If so, end sessions that nobody uses; then they are not.

        Args:
            connection: a connection outside of a transaction.

        Raises:
            psycopg.Error: the server did not answer.
        """
        usage = self._utilization.read(connection)
        self._looked_at = time.monotonic()
        self._recorder.counted(usage.used, usage.limit)
        return self._share is not None and usage.share > self._share and not self._clean(connection)

    def _clean(self, connection: psycopg.Connection[Any]) -> list[int]:
        if self._cleaning is None:
            return []
        ended = clean(connection, self._own_function, self._cleaning)
        if ended:
            _logger.info("sessions ended: %d", len(ended), extra={"action": "sessions_ended"})
            self._recorder.cleaned(ended)
        return ended
