"""The engine: SQLAlchemy's pool, bounded exactly, with every wait on a dead server limited.

The figures follow from how Lambda treats connections: a frozen function's sockets die unnoticed (pre-ping), idle
flows are cut at about 350 s on the way (recycle), and a server that vanished says nothing (keepalives and
`tcp_user_timeout`; PostgreSQL documentation, "Connection Parameter Key Words").
"""

import logging
import os
from typing import Any

import psycopg
from sqlalchemy import URL, Dialect, Engine, ExceptionContext, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError

from penstock.settings import Settings, SettingsError, refresh_secret, resolve_secret

_logger = logging.getLogger(__name__)

_CONNECT_SECONDS = 5
_POOL_WAIT_SECONDS = 5
_RECYCLE_SECONDS = 240
READ_ONLY = "25006"
"""SQLSTATE of a write on a server that has become a reader."""
_KEEPALIVE = {
    "keepalives": 1,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}


def make_engine(url: str, *, pool_size: int = 1, for_drain: bool = False) -> Engine:
    """Make an engine that never holds more than `pool_size` connections; it connects at first use.

    Args:
        url: a `postgresql://` URL.
        pool_size: connections that it may hold at once.
        for_drain: whether a drain uses it, which begins again if a connection turns out to be lost, and need not
            try it first; and which does the same all day, so that statements are prepared at once.

    Raises:
        penstock.settings.SettingsError: the URL is not one of Postgres; it is not shown, it may hold a password.
    """
    engine = create_engine(
        driver_url(url),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=_POOL_WAIT_SECONDS,
        pool_recycle=_RECYCLE_SECONDS,
        pool_pre_ping=not for_drain,
        # Whatever the role or the database has it set to: what is done depends on each statement's own snapshot.
        isolation_level="READ COMMITTED",
        # Values are other people's: they stay out of errors and logs.
        hide_parameters=True,
        connect_args={
            "connect_timeout": _CONNECT_SECONDS,
            "application_name": application_name(),
            # Whatever the database's own encoding is. Without it a client of a SQL_ASCII database gets bytes.
            "client_encoding": "utf8",
            # No prepared statements. psycopg names them `_pg3_N` for each client. Behind a pooler in transaction
            # mode several clients share a session, and one would execute the statement of another one.
            "prepare_threshold": None,
            **_KEEPALIVE,
        },
    )
    event.listen(engine, "handle_error", _leave_a_reader)
    return engine


def _leave_a_reader(context: ExceptionContext) -> None:
    """Give up all connections when a failover has turned the server into a reader (SQLSTATE 25006)."""
    if getattr(context.original_exception, "sqlstate", None) == READ_ONLY:
        context.is_disconnect = True


def writer_engine(settings: Settings) -> Engine:
    """Make an engine of one connection, for all that writes and is no drain.

    Raises:
        penstock.settings.SettingsError: the database is not named, or not by a Postgres URL.
        penstock.settings.SecretUnavailable: the secret that names it cannot be read.
    """
    return _engine_of(settings.require("database_url").database_url)


def drain_engine(settings: Settings) -> Engine:
    """Make the engine that a drain writes through.

    Raises:
        penstock.settings.SettingsError: the database is not named, or not by a Postgres URL.
        penstock.settings.SecretUnavailable: the secret that names it cannot be read.
    """
    return _engine_of(settings.require("database_url").database_url, pool_size=settings.pool_size, for_drain=True)


def reader_engine(settings: Settings) -> Engine:
    """Make the engine that outcomes are read through.

    Raises:
        penstock.settings.SettingsError: the database is not named, or not by a Postgres URL.
        penstock.settings.SecretUnavailable: the secret that names it cannot be read.
    """
    return _engine_of(settings.require("database_reader_url").database_reader_url, pool_size=settings.pool_size)


def _engine_of(setting: str, **options: Any) -> Engine:
    """Make the engine of a setting. If that names a secret, a connection follows a password that was rotated."""
    url = resolve_secret(setting)
    engine = make_engine(url, **options)
    if url != setting:
        event.listen(engine, "do_connect", _RotatedPassword(setting, url).connect)
    return engine


class _RotatedPassword:
    """Connects with the URL of a secret, and reads the secret again if the server refuses the password."""

    def __init__(self, setting: str, url: str) -> None:
        self._setting = setting
        self._first = self._url = url

    def connect(self, dialect: Dialect, _record: Any, arguments: list[Any], options: dict[str, Any]) -> Any:
        """Make one connection, with at most one more try (SQLAlchemy: DialectEvents.do_connect)."""
        try:
            return dialect.connect(*arguments, **options | self._renewed(dialect))
        except psycopg.OperationalError as error:
            if not password_was_refused(error):
                raise
            _logger.warning("authentication failed", extra={"action": "authentication_failed"})
            known, self._url = self._url, refresh_secret(self._setting)
            if self._url == known:
                raise
        return dialect.connect(*arguments, **options | self._renewed(dialect))

    def _renewed(self, dialect: Dialect) -> dict[str, Any]:
        """Return what a secret that was read again changes."""
        if self._url == self._first:
            return {}
        return dict(dialect.create_connect_args(driver_url(self._url))[1])


def password_was_refused(error: psycopg.Error) -> bool:
    """Return whether a connection failed after the server had asked for the password.

    libpq gives no SQLSTATE for a failed connection, and the server's message may be in any language.
    """
    return bool(error.pgconn and error.pgconn.used_password)


def driver_url(url: str) -> URL:
    """Read a Postgres URL and have SQLAlchemy use psycopg 3 for it.

    Raises:
        penstock.settings.SettingsError: it is not one.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        parsed = None
    if parsed is None or parsed.get_backend_name() not in {"postgresql", "postgres"}:
        raise SettingsError(_FORM) from None
    return parsed.set(drivername="postgresql+psycopg")


_FORM = "the database URL is not of the form postgresql://USER@HOST:PORT/DATABASE, with :PASSWORD after USER"


def application_name() -> str:
    """Name this function to Postgres as `<service>:<function>:<version>`, for whoever reads pg_stat_activity."""
    service = os.environ.get("POWERTOOLS_SERVICE_NAME", "penstock")
    function = os.environ.get("AWS_LAMBDA_FUNCTION_NAME", "process")
    version = os.environ.get("AWS_LAMBDA_FUNCTION_VERSION", "0")
    return f"{service}:{function}:{version}"
