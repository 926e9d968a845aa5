"""Ids by the million, each once and in order, in a temporary file in place of memory."""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from uuid import UUID


class IdFile:
    """A set of ids in a temporary file of SQLite's, which is gone once it is closed. Make one with `keep_ids`."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        (self.count,) = database.execute("SELECT count(*) FROM ids").fetchone()

    def pages(self, size: int) -> Iterator[list[UUID]]:
        """Go through the ids, sorted, so many at a time."""
        rows = self._database.execute("SELECT id FROM ids ORDER BY id")
        while page := rows.fetchmany(size):
            yield [UUID(bytes=id_) for (id_,) in page]


@contextmanager
def keep_ids(ids: Iterable[UUID]) -> Iterator[IdFile]:
    """Keep ids, each once, for the time of the block."""
    # No name: a temporary file, of which SQLite has a few megabytes in memory.
    database = sqlite3.connect("")
    try:
        database.execute("CREATE TABLE ids (id BLOB PRIMARY KEY) WITHOUT ROWID")
        database.executemany("INSERT OR IGNORE INTO ids VALUES (?)", ((id_.bytes,) for id_ in ids))
        yield IdFile(database)
    finally:
        database.close()
