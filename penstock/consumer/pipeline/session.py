"""The settings of a transaction, and the session that a function of the service's leaves behind.

Every setting is made for the transaction alone, because behind a pooler another client uses the session next. A
`Custom` function can change the session itself (SET, SET ROLE, a temporary table, a lock). After each call the
session is put back to what it was before: otherwise later intents could be written elsewhere.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from sqlalchemy import Connection, text

_PINNED = {
    # Whatever the role or the database has them set to, values are read and compared in one way.
    "TimeZone": "'UTC'",
    "DateStyle": "'ISO, YMD'",
    "IntervalStyle": "'postgres'",
    "extra_float_digits": "'1'",
    "bytea_output": "'hex'",
    "array_nulls": "'on'",
    "standard_conforming_strings": "'on'",
    # Acknowledged means durable (PostgreSQL documentation, "Asynchronous Commit"). What is stricter stays.
    "synchronous_commit": """CASE pg_catalog.current_setting('synchronous_commit') WHEN 'off' THEN 'on'
        ELSE pg_catalog.current_setting('synchronous_commit') END""",
    # A temporary table that is left in the session must not take the place of a table: pg_temp comes last.
    "search_path": """CASE pg_catalog.current_setting('search_path') WHEN '' THEN 'pg_temp'
        ELSE pg_catalog.current_setting('search_path') || ', pg_temp' END""",
}
_KEEP_PATH = "pg_catalog.set_config('penstock.search_path', pg_catalog.current_setting('search_path'), true)"
_LIMITS = ("statement_timeout", "lock_timeout")


def _pinning(settings: Mapping[str, str]) -> str:
    return ", ".join(f"pg_catalog.set_config('{name}', {value}, true)" for name, value in settings.items())


def _pin(statement_timeout: str, lock_timeout: str) -> str:
    limits = dict(zip(_LIMITS, (statement_timeout, lock_timeout), strict=True))
    return f"SELECT {_KEEP_PATH}, {_pinning({**_PINNED, **limits})}"


_PIN = _pin("%s", "%s")
PIN = _pin("$1", "$2").encode()
"""The statement of `set_limits` as the server gets it; its parameters are those of `limits`."""

_KEPT = text(
    "SELECT name, setting FROM pg_catalog.pg_settings"
    " WHERE source = 'session' AND name <> ALL (:pinned) AND name NOT LIKE 'penstock.%'"
    " UNION ALL SELECT 'session_authorization', pg_catalog.current_setting('session_authorization')"
    " UNION ALL SELECT 'role', pg_catalog.current_setting('role')"
    " UNION ALL SELECT 'search_path', pg_catalog.current_setting('penstock.search_path')"
)
_RESET = ("RESET SESSION AUTHORIZATION", "RESET ALL", "DISCARD TEMP", "SELECT pg_catalog.pg_advisory_unlock_all()")
_PUT_BACK = text("SELECT pg_catalog.set_config(:name, :value, false)")


def limits(seconds: float) -> tuple[str, str]:
    """Return the limits of a statement and of a wait for a lock, in milliseconds."""
    milliseconds = int(seconds * 1000)
    return str(milliseconds), str(milliseconds // 2)


def set_limits(connection: Connection, seconds: float) -> None:
    """Pin the settings for this transaction, and have Postgres give up before Lambda."""
    connection.exec_driver_sql(_PIN, limits(seconds))


@contextmanager
def session_kept(connection: Connection, seconds: float) -> Iterator[None]:
    """Put the session back, at the end of the block, to what it was before; nothing happens after an error.

    After an error the savepoint around the block is rolled back, and with it what was set.

    Args:
        connection: in a transaction whose settings are pinned.
        seconds: the limit to pin again.
    """
    kept = connection.execute(_KEPT, {"pinned": [*_PINNED, *_LIMITS]}).all()
    yield
    for statement in _RESET:
        connection.exec_driver_sql(statement)
    for name, value in kept:
        connection.execute(_PUT_BACK, {"name": name, "value": value})
    set_limits(connection, seconds)
