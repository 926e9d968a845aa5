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
_REMEMBERED_SECONDS: Final = 60.0
"""How long connections count as scarce."""
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
        self._remembered_until = float("-inf")
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

    @property
    def is_remembered(self) -> bool:
        """Whether connections were scarce within the last minute: then others wait for each that is given back."""
        return time.monotonic() < self._remembered_until

    def first_look(self, connection: psycopg.Connection[Any], *, waited: bool) -> None:
        """Find out whether connections are scarce, from one that was just made.

        Args:
            connection: the connection.
            waited: whether it took more than one attempt, so that they are, and need not be counted.

        Raises:
            psycopg.Error: the server did not answer.
        """
        if self._share is not None and self._pooled is None:
            # A pooler's process is another one than that of the session in Postgres.
            self._pooled = ask(connection, _PROCESS) != [[str(connection.info.backend_pid)]]
            if self._pooled and self._cleaning:
                _logger.warning("cleaning is off: a pooler is in between", extra={"action": "cleaning_off"})
        if self._share is None or self._pooled:
            self._remember(scarce=waited)
        elif waited:
            self._remember(scarce=not self._clean(connection))
        else:
            self.look(connection)

    def look(self, connection: psycopg.Connection[Any]) -> None:
        """Count the connections. If they are scarce, end sessions that nobody uses; then they are not.

        Args:
            connection: a connection outside of a transaction.

        Raises:
            psycopg.Error: the server did not answer.
        """
        usage = self._utilization.read(connection)
        self._looked_at = time.monotonic()
        self._recorder.counted(usage.used, usage.limit)
        self._remember(
            scarce=self._share is not None and usage.share > self._share and not self._clean(connection)
        )

    def _remember(self, *, scarce: bool) -> None:
        if scarce:
            self._remembered_until = time.monotonic() + _REMEMBERED_SECONDS

    def _clean(self, connection: psycopg.Connection[Any]) -> list[int]:
        if self._cleaning is None:
            return []
        ended = clean(connection, self._own_function, self._cleaning)
        if ended:
            _logger.info("sessions ended: %d", len(ended), extra={"action": "sessions_ended"})
            self._recorder.cleaned(ended)
        return ended
