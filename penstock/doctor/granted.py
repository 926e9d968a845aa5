"""What a database and the pooler before it grant to a role, read as that role."""

from dataclasses import dataclass
from typing import Any, Final

import psycopg
from psycopg.rows import dict_row
from sqlalchemy import URL, Connection, text

_SECONDS: Final = 3
_CONSOLE: Final = "pgbouncer"
_NO_LIMIT: Final = -1


@dataclass(frozen=True, slots=True)
class Granted:
    """What a server grants.

    Attributes:
        role: the role.
        superuser: whether it is a superuser, for whom no limit holds.
        max_connections: the connections of the server.
        reserved: those of them that the role cannot have: `superuser_reserved_connections`, `reserved_connections`
            (PostgreSQL 16) and RDS's own.
        role_limit: the connections of the role (`rolconnlimit`); None for no limit.
        database_limit: the connections to the database (`datconnlimit`); None for no limit.
        database: the name of the database.
        idle_session: `idle_session_timeout` of the session, such as `10min`; `0` for none.
        idle_in_transaction: `idle_in_transaction_session_timeout`, the same.
    """

    role: str
    superuser: bool
    max_connections: int
    reserved: int
    role_limit: int | None
    database_limit: int | None
    database: str
    idle_session: str
    idle_in_transaction: str


@dataclass(frozen=True, slots=True)
class PgBouncer:
    """The limits of a PgBouncer for a database.

    Attributes:
        clients: the clients that it accepts (`max_client_conn`).
        pool: the connections that it opens to the server for one user and the database (`pool_size`).
        mode: `session`, `transaction` or `statement`.
    """

    clients: int
    pool: int
    mode: str


def read_granted(connection: Connection) -> Granted:
    """Read what the server grants to the role of a connection.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the database refused the statement.
    """
    row: dict[str, Any] = dict(connection.execute(_GRANTED).mappings().one())
    for limit in ("role_limit", "database_limit"):
        row[limit] = None if row[limit] == _NO_LIMIT else row[limit]
    return Granted(**row)


def read_pgbouncer(url: URL) -> PgBouncer | None:
    """Read the limits of a PgBouncer from its console.

    Args:
        url: the URL of the database through it.

    Returns:
        The limits; None if the pooler has no console, or its `stats_users` do not include the user.
    """
    console = url.set(drivername="postgresql", database=_CONSOLE).render_as_string(hide_password=False)
    try:
        with psycopg.connect(
            console, autocommit=True, connect_timeout=_SECONDS, row_factory=dict_row
        ) as connection:
            config = {row["key"]: row["value"] for row in connection.execute("SHOW CONFIG").fetchall()}
            databases = {row["name"]: row for row in connection.execute("SHOW DATABASES").fetchall()}
        own = databases.get(url.database, {})
        return PgBouncer(
            clients=int(config["max_client_conn"]),
            pool=int(own.get("pool_size") or config["default_pool_size"]),
            mode=str(own.get("pool_mode") or config["pool_mode"]),
        )
    except (psycopg.Error, KeyError, ValueError):
        return None


# rds.rds_superuser_reserved_connections: Amazon RDS User Guide, "Working with parameters on your RDS for
# PostgreSQL DB instance". A member of pg_use_reserved_connections can have those of reserved_connections.
_GRANTED: Final = text(
    """
    SELECT session_user::text AS role, rolsuper AS superuser, rolconnlimit AS role_limit,
        datname::text AS database, datconnlimit AS database_limit,
        pg_catalog.current_setting('max_connections')::int AS max_connections,
        pg_catalog.current_setting('superuser_reserved_connections')::int
            + COALESCE(pg_catalog.current_setting('rds.rds_superuser_reserved_connections', true), '0')::int
            + CASE WHEN EXISTS (
                SELECT FROM pg_catalog.pg_roles AS reserving
                WHERE reserving.rolname = 'pg_use_reserved_connections'
                    AND pg_catalog.pg_has_role(reserving.oid, 'USAGE')
            ) THEN 0 ELSE COALESCE(pg_catalog.current_setting('reserved_connections', true), '0')::int END
            AS reserved,
        pg_catalog.current_setting('idle_session_timeout') AS idle_session,
        pg_catalog.current_setting('idle_in_transaction_session_timeout') AS idle_in_transaction
    FROM pg_catalog.pg_roles, pg_catalog.pg_database
    WHERE rolname = session_user AND datname = pg_catalog.current_database()
    """
)
