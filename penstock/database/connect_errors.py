"""Errors of connections that could not be made. libpq gives them no SQLSTATE, so their texts have to tell."""

from typing import Final

import psycopg

_NO_FREE_CONNECTION: Final = ("too many clients", "too many connections", "connection slots are reserved")
"""SQLSTATE 53300. A limit of the role or the database, and the slots that are reserved for superusers, are checked
after the password (PostgreSQL's source, `postinit.c`)."""
_REFUSED_FOR_GOOD: Final = (
    "authentication failed",
    "does not exist",
    "no pg_hba.conf entry",
    "is not permitted to log in",
)


def password_was_refused(error: psycopg.Error) -> bool:
    """Return whether a connection failed after the server had asked for the password, and because of it.

    The server's message may be in any language; in another one than English, a server without a free connection
    counts as one that refused the password.
    """
    return bool(error.pgconn and error.pgconn.used_password) and not _mentions(error, _NO_FREE_CONNECTION)


def is_refused_for_good(error: psycopg.Error) -> bool:
    """Return whether the server would refuse another attempt too: because of a password, a name or a right."""
    return password_was_refused(error) or _mentions(error, _REFUSED_FOR_GOOD)


def _mentions(error: psycopg.Error, words: tuple[str, ...]) -> bool:
    text = str(error)
    return any(one in text for one in words)
