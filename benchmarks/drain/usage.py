"""What a record costs: processor time of the client and of the server, and bytes of WAL.

Elapsed time hides what is done at the same time, and depends on other load. These are sums:

- **client**: the processor time of this process (`time.process_time`), which only drains meanwhile.
- **server**: the processor time of the Postgres backends of the contender, from `/proc/PID/schedstat`. What
  Postgres does later and elsewhere (WAL writer, checkpoints, vacuum) is not in it. Without /proc it is not known.
- **WAL**: how far `pg_current_wal_insert_lsn()` moves. Full-page images are kept out: `full_page_writes` is off
  meanwhile, and so is autovacuum. `pg_stat_wal` would not do: it counts the images, but not their bytes. In
  production each page has an image after each checkpoint, which adds the more, the more random the ids are.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.drain.contenders import CONTENDERS, SETTLING, EventWriter
from benchmarks.drain.events import page_views_event
from benchmarks.drain.server import LEDGERS, Database
from benchmarks.drain.shop import SHOP

USAGE_RECORDS = 200
"""The number of records that each contender is measured with for each round of the comparison."""


class Usage(NamedTuple):
    """What one record costs.

    Attributes:
        client: processor time of this process, in seconds.
        server: processor time of the Postgres backend, in seconds; None if it is not known.
        wal: bytes of WAL.
    """

    client: float
    server: float | None
    wal: float

    def as_json(self) -> dict[str, Any]:
        """Return the figures by name."""
        return self._asdict()


def measure_usage(database: Database, size: int, records: int) -> dict[str, Usage]:
    """Return what a record costs each contender, by its name.

    Args:
        database: the database, which nothing else uses.
        size: the number of records per event.
        records: the number of records to measure each contender with; at least one event is written.
    """
    with _without_images(database):
        return dict(_measure(make, database, size, max(1, records // size)) for make in CONTENDERS)


def backend_seconds(backend: int) -> float | None:
    """Return the processor time of a process, in seconds; None where there is no /proc with it."""
    try:
        return int(Path(f"/proc/{backend}/schedstat").read_text().split()[0]) / 1e9
    except FileNotFoundError:
        return None


def _measure(make: Callable[[str], EventWriter], database: Database, size: int, events: int) -> tuple[str, Usage]:
    contender = make(database.url)
    try:
        database.empty(*SHOP, *LEDGERS)
        contender.prepare(page_views_event(SETTLING))()
        runs = [contender.prepare(page_views_event(size)) for _ in range(events)]
        backend = database.newest_backend()
        before, wal = backend_seconds(backend), database.wal_bytes()
        client = time.process_time()
        for run in runs:
            run()
        client = time.process_time() - client
        after, wal = backend_seconds(backend), database.wal_bytes() - wal
        assert database.count("page_views") == SETTLING + size * events
    finally:
        contender.close()
    server = None if before is None or after is None else (after - before) / (size * events)
    return contender.name, Usage(client / (size * events), server, wal / (size * events))


@contextmanager
def _without_images(database: Database) -> Iterator[None]:
    with database.changed_settings(full_page_writes="off", autovacuum="off"):
        yield
