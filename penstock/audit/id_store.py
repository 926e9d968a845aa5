"""Millions of ids, without duplicates and sorted, in a temporary file instead of memory."""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from uuid import UUID


class IdStore:
    """A set of ids in a temporary SQLite file, which is deleted when it is closed. Create one with `store_ids`."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        (self.count,) = database.execute("SELECT count(*) FROM ids").fetchone()

    def pages(self, size: int) -> Iterator[list[UUID]]:
        """Yield the ids, sorted, in pages of `size`."""
        rows = self._database.execute("SELECT id FROM ids ORDER BY id")
        while page := rows.fetchmany(size):
            yield [UUID(bytes=id_) for (id_,) in page]


@contextmanager
def store_ids(ids: Iterable[UUID]) -> Iterator[IdStore]:
    """Keep ids, without duplicates, for the duration of the block."""
    # The empty name makes a temporary file, of which SQLite keeps a few megabytes in memory.
    database = sqlite3.connect("")
    try:
        database.execute("CREATE TABLE ids (id BLOB PRIMARY KEY) WITHOUT ROWID")
        database.executemany("INSERT OR IGNORE INTO ids VALUES (?)", ((id_.bytes,) for id_ in ids))
        yield IdStore(database)
    finally:
        database.close()
