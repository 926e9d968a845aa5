"""Ending the sessions of instances that are frozen or gone, and never one of an instance at work.

An instance at work holds an advisory lock of its session, on the number of its server process. Who cleans takes
the same lock before it ends that session. An instance that wakes up in this moment does not get the lock, and
connects anew before it has sent a statement. To check the state in `pg_stat_activity` alone would leave a moment
in which the instance can begin.
"""

from dataclasses import dataclass
from typing import Any, Final

import psycopg

from penstock.database.managed.ask import ask

MARK: Final = ":managed"
"""The end of the `application_name` of sessions that hold the lock while they work. Others are left alone."""
_LONGEST_NAME: Final = 63
"""Postgres cuts an `application_name` after this many bytes (NAMEDATALEN - 1)."""
_LOCKS: Final = 0x70656E73
"""The first half of the key of these advisory locks: "pens"."""

TAKE_LOCK: Final = f"SELECT pg_catalog.pg_try_advisory_lock({_LOCKS}, pg_catalog.pg_backend_pid())"
DROP_LOCK: Final = f"SELECT pg_catalog.pg_advisory_unlock({_LOCKS}, pg_catalog.pg_backend_pid())"

_FIND: Final = """
SELECT pid, backend_start, state_change FROM pg_catalog.pg_stat_activity
WHERE usename = session_user AND datname = pg_catalog.current_database() AND pid <> pg_catalog.pg_backend_pid()
  AND pg_catalog.starts_with(application_name, $1) AND application_name LIKE '%' || $2
  AND (state = 'idle' AND state_change < pg_catalog.clock_timestamp() - $3 * interval '1 second'
    OR state LIKE 'idle in transaction%'
       AND state_change < pg_catalog.clock_timestamp() - $4 * interval '1 second')
ORDER BY state_change LIMIT $5
"""
# CASE has an order: the lock is asked for only if the session is still the one that was found. A session
# that is idle in a transaction has its lock for ever, but its invocation is over.
_END: Final = """
SELECT CASE
  WHEN state_change <> $3 THEN false
  WHEN state LIKE 'idle in transaction%' OR state = 'idle' AND pg_catalog.pg_try_advisory_xact_lock($4, pid)
  THEN pg_catalog.pg_terminate_backend(pid, 1000)
  ELSE false END
FROM pg_catalog.pg_stat_activity WHERE pid = $1 AND backend_start = $2
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleaning:
    """Which sessions of other instances of the same function may be ended, when connections are scarce.

    Attributes:
        min_idle_seconds: how long a session must have been idle.
        max_in_transaction_seconds: how long a session must have been idle in a transaction. No less than the
            function's timeout: the invocation that opened the transaction must be over. The default is the longest
            that Lambda offers.
        most: how many sessions to end at once, those that are idle for longest first; None for all.
    """

    min_idle_seconds: float = 60
    max_in_transaction_seconds: float = 900
    most: int | None = None

    def __post_init__(self) -> None:
        if not (self.min_idle_seconds >= 0 and self.max_in_transaction_seconds >= 0):
            raise ValueError("min_idle_seconds and max_in_transaction_seconds must be at least 0")
        if self.most is not None and self.most < 1:
            raise ValueError("most must be at least 1")


def marked(application_name: str) -> str:
    """Return the name of sessions that hold the lock while they work."""
    room = _LONGEST_NAME - len(MARK)
    return application_name.encode()[:room].decode(errors="ignore") + MARK


def clean(connection: psycopg.Connection[Any], name: str, cleaning: Cleaning) -> list[int]:
    """End sessions of other instances; return the ids of their server processes.

    Args:
        connection: a connection outside of a transaction, straight to the server.
        name: what the application_name of these sessions begins with.
        cleaning: which of them may be ended.

    Raises:
        psycopg.Error: the server did not answer.
    """
    limits = name, MARK, cleaning.min_idle_seconds, cleaning.max_in_transaction_seconds, cleaning.most
    found = ask(connection, _FIND, limits)
    return [int(str(session[0])) for session in found if ask(connection, _END, [*session, _LOCKS]) == [["t"]]]
