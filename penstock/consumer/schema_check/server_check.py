"""Check the server, the database and the connection, which concern every kind."""

from collections.abc import Iterator
from typing import Final

from sqlalchemy import Connection

from penstock.consumer.schema_check.catalog import Server
from penstock.consumer.schema_check.finding import Finding, fault, warning
from penstock.consumer.schema_check.hazards import schemas_of_others

_OLDEST_VERSION: Final = 140000
_NEW_DATABASE: Final = "use a database with the encoding UTF8, if intents can hold other texts"
_LACKS: Final = "the encoding of the database lacks most characters: an intent with another one is dead-lettered"
_OTHER_ENCODING: Final = (_LACKS, _NEW_DATABASE)
_ENCODINGS: Final = {
    "SQL_ASCII": (
        "the database has no encoding (SQL_ASCII): texts land as bytes of UTF-8, and lengths are counted in bytes",
        "use a database with the encoding UTF8, or texts of ASCII only",
    ),
    "EUC_JP": (f"{_LACKS}, and the broken bar (U+00A6) lands as U+FFE4", _NEW_DATABASE),
}
_UNSAFE: Final = {
    "synchronous_commit": (
        "synchronous_commit is off: in a crash, every writer but the drain loses what it has just committed",
        "set synchronous_commit to on for the role, the database or the server",
    ),
    "fsync": (
        "fsync is off: a crash of the machine loses or destroys what was acknowledged",
        "set fsync to on, unless all data of the server may be lost",
    ),
    "full_page_writes": (
        "full_page_writes is off: a crash of the machine can destroy what was acknowledged",
        "set full_page_writes to on, unless all data of the server may be lost",
    ),
}


def server_findings(connection: Connection, server: Server) -> Iterator[Finding]:
    """Yield what concerns the server, the database and the connection as a whole."""
    if server.version < _OLDEST_VERSION:
        problem = f"PostgreSQL {server.version // 10000} is too old"
        yield fault(problem, f"use PostgreSQL {_OLDEST_VERSION // 10000} or newer")
    if server.standby:
        yield fault(
            "the server is a standby, which takes no writes", "connect to the primary (the writer endpoint)"
        )
    elif server.read_only:
        hint = "remove the setting default_transaction_read_only from the role, the database or the server"
        yield fault("transactions are read only by default", hint)
    for name in server.unsafe:
        yield warning(*_UNSAFE[name])
    if server.encoding != "UTF8":
        yield warning(*_ENCODINGS.get(server.encoding, _OTHER_ENCODING))
    yield from _check_search_path(connection)


def _check_search_path(connection: Connection) -> Iterator[Finding]:
    """Check whose operators and types a statement can find. Functions are always those of pg_catalog."""
    quote = connection.dialect.identifier_preparer.quote
    for schema, roles in schemas_of_others(connection).items():
        who = ", ".join(role if role == "PUBLIC" else quote(role) for role in roles)
        yield warning(
            f"the schema {schema!r} is on the role's search_path, and {who} may create in it: an operator or a "
            "type that is planted there could run as the role that writes",
            f"REVOKE CREATE ON SCHEMA {quote(schema)} FROM {who}",
        )
