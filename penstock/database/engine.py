"""The engine: SQLAlchemy's pool, bounded exactly, with every wait on a dead server limited.

The figures follow from how Lambda treats connections: a frozen function's sockets die unnoticed (pre-ping), idle
flows are cut at about 350 s on the way (recycle), and a server that vanished says nothing (keepalives and
`tcp_user_timeout`; PostgreSQL documentation, "Connection Parameter Key Words").
"""

import os

from sqlalchemy import URL, Engine, ExceptionContext, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError

from penstock.settings import Settings, SettingsError, resolve_secret

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
            **({"prepare_threshold": 0} if for_drain else {}),
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
    return make_engine(resolve_secret(settings.require("database_url").database_url))


def drain_engine(settings: Settings) -> Engine:
    """Make the engine that a drain writes through.

    Raises:
        penstock.settings.SettingsError: the database is not named, or not by a Postgres URL.
        penstock.settings.SecretUnavailable: the secret that names it cannot be read.
    """
    url = resolve_secret(settings.require("database_url").database_url)
    return make_engine(url, pool_size=settings.pool_size, for_drain=True)


def reader_engine(settings: Settings) -> Engine:
    """Make the engine that outcomes are read through.

    Raises:
        penstock.settings.SettingsError: the database is not named, or not by a Postgres URL.
        penstock.settings.SecretUnavailable: the secret that names it cannot be read.
    """
    url = resolve_secret(settings.require("database_reader_url").database_reader_url)
    return make_engine(url, pool_size=settings.pool_size)


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
