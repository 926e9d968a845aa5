"""How many of the server's connections are in use."""

import time
from dataclasses import dataclass
from typing import Any, Final

import psycopg

from penstock.database.managed.ask import Row, ask

_LIMITS_SECONDS: Final = 60.0
"""How long the server's limits are taken as known: they change at a restart, or by ALTER ROLE."""

# Superusers have slots of their own, and are not held to the limits of a role or a database.
_READ_LIMITS: Final = """
SELECT pg_catalog.current_setting('max_connections')::int
       - pg_catalog.current_setting('superuser_reserved_connections')::int
       - coalesce(pg_catalog.current_setting('reserved_connections', true)::int, 0),
       CASE WHEN r.rolsuper OR r.rolconnlimit < 0 THEN NULL ELSE r.rolconnlimit END,
       CASE WHEN r.rolsuper OR d.datconnlimit < 0 THEN NULL ELSE d.datconnlimit END
FROM pg_catalog.pg_roles r, pg_catalog.pg_database d
WHERE r.rolname = session_user AND d.datname = pg_catalog.current_database()
"""
# Everyone may see the role and the database of each session. Background processes have none.
_COUNT: Final = """
SELECT count(*), count(*) FILTER (WHERE usename = session_user),
       count(*) FILTER (WHERE datname = pg_catalog.current_database())
FROM pg_catalog.pg_stat_activity WHERE datid IS NOT NULL AND usesysid IS NOT NULL
"""


@dataclass(frozen=True, slots=True)
class Usage:
    """The connections in use, held against the limit that is nearest.

    Attributes:
        used: how many are in use.
        limit: how many are granted.
    """

    used: int
    limit: int

    @property
    def share(self) -> float:
        """The share of the granted connections that is in use."""
        return self.used / max(self.limit, 1)


class Utilization:
    """Counts a server's connections. Its limits are read once a minute, and the count is new each time."""

    def __init__(self) -> None:
        """Begin without knowing the limits."""
        self._limits: Row = []
        self._read_at = 0.0

    def read(self, connection: psycopg.Connection[Any]) -> Usage:
        """Return the usage that is nearest to its limit: of the server, of the role, or of the database.

        Args:
            connection: a connection outside of a transaction, straight to the server.

        Raises:
            psycopg.Error: the server did not answer.
        """
        if not self._limits or time.monotonic() > self._read_at + _LIMITS_SECONDS:
            (self._limits,) = ask(connection, _READ_LIMITS)
            self._read_at = time.monotonic()
        (counts,) = ask(connection, _COUNT)
        pairs = zip(counts, self._limits, strict=True)
        return max(
            (Usage(int(used), int(limit)) for used, limit in pairs if used and limit), key=lambda one: one.share
        )
