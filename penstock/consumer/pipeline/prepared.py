"""Statements that a session keeps, so that Postgres does not parse and plan them for each batch (PREPARE).

They are kept only if no pooler is between: behind one in transaction mode other clients have the session, too. A
pooler may hide itself. Then a name is unknown, or taken, and nothing more is kept on that connection. A name is
made of the text of the statement, so it never stands for another one.
"""

from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Final

from psycopg.pq.abc import PGconn, PGresult
from sqlalchemy import Connection

from penstock.database.pooler import PROCESS

_INFO: Final = "penstock prepared"
_MOST: Final = 100
"""How many statements a session keeps, at most. Each needs memory in Postgres."""

_REFUSALS: Final = {"26000", "42P05", "0A000"}
"""The session has no statement of this name, has another one, or cannot execute it any more."""


class Prepared:
    """The statements that the session of one connection keeps."""

    def __init__(self, pgconn: PGconn) -> None:
        """Begin without statements, and without knowing whether any may be kept."""
        self._pgconn = pgconn
        self._direct: bool | None = None
        self._names: dict[bytes, bytes] = {}

    @staticmethod
    def on(connection: Connection, pgconn: PGconn) -> "Prepared":
        """Return those of a connection, from its first use to its end."""
        found: Prepared = connection.info.get(_INFO) or connection.info.setdefault(_INFO, Prepared(pgconn))
        return found

    @property
    def question(self) -> bytes | None:
        """The statement whose result `note_process` takes; None if it has been answered."""
        return PROCESS.encode() if self._direct is None else None

    def note_process(self, result: PGresult) -> None:
        """Take the process of the session: if the connection is to another one, a pooler is between."""
        self._direct = int(result.get_value(0, 0) or 0) == self._pgconn.backend_pid

    def note_error(self, sqlstate: str | None) -> None:
        """Keep nothing more if the error says that the session is not this connection's alone."""
        if sqlstate in _REFUSALS:
            self._direct = False

    def may_keep(self) -> bool:
        """Return whether the session is this connection's alone, and has room."""
        return bool(self._direct) and len(self._names) < _MOST

    def name(self, statement: bytes) -> bytes | None:
        """Return the name of a statement that the session keeps; None if it keeps it not."""
        return self._names.get(statement) if self._direct else None

    def prepare(self, statement: bytes, types: Sequence[int]) -> tuple[bytes, Callable[[PGresult], None]]:
        """Have a statement kept.

        Returns:
            Its name, and what takes the result.
        """
        name = b"penstock_" + blake2b(statement + repr([*types]).encode(), digest_size=16).hexdigest().encode()
        self._pgconn.send_prepare(name, statement, [*types])

        def note(_: PGresult) -> None:
            self._names[statement] = name

        return name, note
