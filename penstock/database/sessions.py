"""How many sessions a service holds in its database, those of its frozen instances among them."""

from typing import Any

from sqlalchemy import BigInteger, Boolean, Connection, Text, bindparam, column, func, or_, select, table, text

# Everyone may see the name and the database of each session.
_activity = table(
    "pg_stat_activity", column("application_name"), column("datname"), column("pid"), schema="pg_catalog"
).c
_number: Any = func.pg_catalog.count(text("*"), type_=BigInteger())
_COUNT = select(_number).where(
    func.pg_catalog.starts_with(_activity.application_name, bindparam("prefix", type_=Text()), type_=Boolean()),
    _activity.datname == func.pg_catalog.current_database(),
    or_(bindparam("own", type_=Boolean()), _activity.pid != func.pg_catalog.pg_backend_pid()),
)


def count_sessions(connection: Connection, service: str, *, own: bool) -> int:
    """Return the number of sessions in this database whose `application_name` begins with `service:`.

    Args:
        connection: a connection to the database.
        service: the service's name; see `penstock.database.engine.application_name`.
        own: whether this connection's session counts, too.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the database refused the statement, or cannot be reached.
    """
    return int(connection.execute(_COUNT, {"prefix": f"{service}:", "own": own}).scalar_one())
