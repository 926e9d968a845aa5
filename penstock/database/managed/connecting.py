"""Making a connection: again and again while the server refuses it, within the time there is."""

import time
from typing import Any, Final

import psycopg
from psycopg.errors import ConnectionTimeout

from penstock.database.connect_errors import is_refused_for_good
from penstock.database.engine import Attempt
from penstock.database.managed.ask import is_true
from penstock.database.managed.backoff import Backoff, Waits
from penstock.database.managed.cleaning import TAKE_LOCK
from penstock.database.managed.deadline import Deadline
from penstock.database.managed.events import Recorder
from penstock.database.managed.scarcity import Scarcity

_LEAST_SECONDS: Final = 2
"""psycopg knows no shorter limit of an attempt."""
_MOST_SECONDS: Final = 10


class Connecting:
    """Makes the connections of one engine."""

    def __init__(
        self, scarcity: Scarcity, backoff: Backoff, deadline: Deadline, seconds: float, recorder: Recorder
    ) -> None:
        """Remember how to connect.

        Args:
            scarcity: finds out whether the server's connections are scarce.
            backoff: the waits between attempts.
            deadline: the end of the invocation.
            seconds: how long connecting may take in all.
            recorder: is told what happens.
        """
        self._scarcity = scarcity
        self._backoff = backoff
        self._deadline = deadline
        self._seconds = seconds
        self._recorder = recorder

    def connect(self, attempt: Attempt, options: dict[str, Any]) -> Any:
        """Make one connection.

        If it is refused, it is tried again until the time is up; but not if it would be refused again, such as for
        a wrong password.

        Raises:
            psycopg.Error: the last attempt failed.
        """
        begun = time.monotonic()
        end = begun + self._deadline.within(self._seconds)
        waits = self.waits(end)
        while True:
            try:
                connection = self._try(attempt, options, end, waited=waits.attempts > 1)
            except psycopg.OperationalError as error:
                self._recorder.failed(error)
                # Another one without an answer would take too long.
                too_late = isinstance(error, ConnectionTimeout) and end - time.monotonic() < _LEAST_SECONDS
                if too_late or is_refused_for_good(error) or not waits.another(error):
                    raise
            else:
                self._recorder.connected(time.monotonic() - begun, waits.attempts)
                return connection

    def waits(self, end: float) -> Waits:
        """Return the waits until a time of the monotonic clock, for no longer than connecting may take."""
        return Waits(self._backoff, self._recorder, min(end, time.monotonic() + self._seconds))

    def _try(self, attempt: Attempt, options: dict[str, Any], end: float, *, waited: bool) -> Any:
        seconds = max(_LEAST_SECONDS, min(_MOST_SECONDS, int(end - time.monotonic())))
        connection = attempt(options | {"connect_timeout": seconds} | self._scarcity.options)
        try:
            self._scarcity.first_look(connection, waited=waited)
            if self._scarcity.cleans and not is_true(connection, TAKE_LOCK):
                raise psycopg.OperationalError("another instance ended the session before its first use")
        except BaseException:
            connection.close()
            raise
        return connection
