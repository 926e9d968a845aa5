"""The engine: SQLAlchemy's pool with an exact bound, and a limit on every wait for a dead server.

The settings follow from what happens to connections on Lambda. A frozen function's sockets die unnoticed
(pre-ping). The network drops idle connections after about 350 s (recycle). A server that vanished sends nothing
(keepalives and `tcp_user_timeout`; PostgreSQL documentation, "Connection Parameter Key Words").
"""

import os
from collections.abc import Callable
from functools import partial
from typing import Any

from sqlalchemy import Dialect, Engine, ExceptionContext, create_engine, event

from penstock.database.address import find_address
from penstock.database.credentials import Connector
from penstock.settings import Settings

_CONNECT_SECONDS = 5
_POOL_WAIT_SECONDS = 5
_RECYCLE_SECONDS = 240
READ_ONLY = "25006"
"""SQLSTATE of a write on a server that a failover has made a reader (`read_only_sql_transaction`)."""
_KEEPALIVE = {
    "keepalives": 1,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}

Attempt = Callable[[dict[str, Any]], Any]
"""Makes one connection with some options of libpq, and returns it."""
AroundConnect = Callable[[Attempt, dict[str, Any]], Any]
"""Makes a connection with the attempts that it needs, from the function for one and the engine's options."""


def make_engine(
    url: str, *, pool_size: int = 1, pre_ping: bool = True, around_connect: AroundConnect | None = None
) -> Engine:
    """Make an engine that never holds more than `pool_size` connections. It connects at first use.

    Args:
        url: a `postgresql://` URL, or another form of a database's address (see `penstock.database.address`).
            If the password is in a secret or from IAM, each connection is made with the current one.
        pool_size: the maximum number of connections.
        pre_ping: whether a connection is tried out before each use. A drain needs that not: it begins again after
            a lost connection.
        around_connect: makes each connection; by default there is one attempt.

    Raises:
        penstock.settings.SettingsError: the URL is not valid. The error does not show it, since it may contain a
            password.
        penstock.settings.SecretUnavailable: the secret that the URL names cannot be read.
    """
    address = find_address(url)
    engine = create_engine(
        address.url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=_POOL_WAIT_SECONDS,
        pool_recycle=_RECYCLE_SECONDS,
        pool_pre_ping=pre_ping,
        # Overrides the default of the role and the database: the writes rely on a new snapshot per statement.
        isolation_level="READ COMMITTED",
        # Values may be personal data: they stay out of errors and logs.
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
    event.listen(engine, "handle_error", _discard_reader_connections)
    connector = Connector(url, address) if address.secret or address.iam else None
    if around_connect:
        connect = connector.connect if connector else _connect
        event.listen(
            engine,
            "do_connect",
            lambda *given: around_connect(partial(connect, *given[:-1]), given[-1]),
        )
    elif connector:
        event.listen(engine, "do_connect", connector.connect)
    return engine


def _connect(dialect: Dialect, _record: Any, arguments: list[Any], options: dict[str, Any]) -> Any:
    return dialect.connect(*arguments, **options)


def _discard_reader_connections(context: ExceptionContext) -> None:
    """Discard all pooled connections after a failover has made the server a reader (SQLSTATE 25006)."""
    if getattr(context.original_exception, "sqlstate", None) == READ_ONLY:
        context.is_disconnect = True


def writer_engine(settings: Settings) -> Engine:
    """Make an engine of one connection, for every writer that is not a drain.

    Raises:
        penstock.settings.SettingsError: the database's URL is not set, or is not valid.
        penstock.settings.SecretUnavailable: the secret that holds the URL cannot be read.
    """
    return make_engine(settings.require("database_url").database_url)


def drain_engine(settings: Settings) -> Engine:
    """Make the engine of a drain.

    Raises:
        penstock.settings.SettingsError: the database's URL is not set, or is not valid.
        penstock.settings.SecretUnavailable: the secret that holds the URL cannot be read.
    """
    return make_engine(settings.require("database_url").database_url, pool_size=settings.pool_size, pre_ping=False)


def reader_engine(settings: Settings) -> Engine:
    """Make the engine that reads outcomes.

    Raises:
        penstock.settings.SettingsError: the database's URL is not set, or is not valid.
        penstock.settings.SecretUnavailable: the secret that holds the URL cannot be read.
    """
    return make_engine(settings.require("database_reader_url").database_reader_url, pool_size=settings.pool_size)


def application_name() -> str:
    """Return the name of this function in pg_stat_activity: `<service>:<function>:<version>`."""
    service = os.environ.get("POWERTOOLS_SERVICE_NAME", "penstock")
    function = os.environ.get("AWS_LAMBDA_FUNCTION_NAME", "process")
    version = os.environ.get("AWS_LAMBDA_FUNCTION_VERSION", "0")
    return f"{service}:{function}:{version}"
