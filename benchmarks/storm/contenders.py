"""The contenders."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final

from benchmarks.storm.drains import CONCURRENCY
from benchmarks.storm.instances import Instance, KeptConnection, connect_per_request, managed, penstock
from benchmarks.storm.model import Storm
from benchmarks.storm.pgbouncer import POOL_SIZE
from benchmarks.storm.places import Place, directly, through_pgbouncer, through_the_queue
from penstock.local.postgres import Postgres


@dataclass(frozen=True, slots=True)
class Contender:
    """A way to write from a function to Postgres.

    Attributes:
        title: what the report calls it.
        what: what an instance does with a request, in Markdown.
        make_instance: makes an instance, from the address that it writes to.
        place: sets up what stands between the instances and Postgres.
    """

    title: str
    what: str
    make_instance: Callable[[str], Instance]
    place: Callable[[Postgres, str, Storm], AbstractContextManager[Place]]


PENSTOCK: Final = "penstock"
PGBOUNCER: Final = "pgbouncer"
CONTENDERS: Final = {
    "connect": Contender(
        "connect, insert, close per request",
        "`with psycopg.connect(url) as connection`, the first example in psycopg's documentation",
        connect_per_request,
        directly,
    ),
    "kept": Contender(
        "one kept connection per instance",
        "uses the connection in a module's variable; replaces it when psycopg says that it is closed",
        KeptConnection,
        directly,
    ),
    PGBOUNCER: Contender(
        "the same through PgBouncer",
        f"the same; PgBouncer is in transaction mode, with {POOL_SIZE} connections to Postgres",
        KeptConnection,
        through_pgbouncer,
    ),
    "managed": Contender(
        "Penstock's managed engine",
        "`with database.transaction()` in a handler of `managed_engine(url)`, with its defaults",
        managed,
        directly,
    ),
    PENSTOCK: Contender(
        "Penstock: emit, 202, drain",
        f"`emit` to a queue of the local AWS; {CONCURRENCY} drains with one connection each write batches",
        penstock,
        through_the_queue,
    ),
}
"""The contenders by their names on the command line."""
