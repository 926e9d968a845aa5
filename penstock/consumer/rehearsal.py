"""A rehearsal: a drain writes some envelopes as one batch, in transactions that are always rolled back.

Postgres itself would refuse to commit such a transaction, whatever a function of the service does in it.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import lru_cache

from sqlalchemy import Connection, Engine, text

from penstock.consumer.batch import Batch, Item
from penstock.consumer.drain import Drain
from penstock.consumer.modes.base import Writes
from penstock.consumer.pipeline.decode import StreamDecoder
from penstock.consumer.pipeline.payloads import fetch_keys, skip_payloads
from penstock.consumer.pipeline.transaction import CHECK_NOW, WriteStrategy, write_batch
from penstock.database.watchdog import Watchdog

# At COMMIT, Postgres fetches the rows of a cursor WITH HOLD (PostgreSQL documentation, "DECLARE"). The row of this
# cursor cannot be fetched, because no setting has that name.
_NO_COMMIT = text(
    "DECLARE penstock_dry_run NO SCROLL CURSOR WITH HOLD FOR"
    " SELECT pg_catalog.current_setting('penstock.dry_runs_never_commit')"
)
_IDLE_LIMIT = text("SELECT pg_catalog.set_config('idle_in_transaction_session_timeout', :limit, true)")

Watch = Callable[[Connection, Batch], AbstractContextManager[None]]
"""Is entered at the beginning of each transaction, and left before its end. It gets the whole batch."""


def rehearse(
    drain: Drain,
    engine: Engine,
    bodies: Sequence[str],
    watch: Watch,
    *,
    seconds: float,
    strategy: WriteStrategy,
    writes: Writes | None = None,
) -> Batch:
    """Write envelopes as the drain would now, and roll back.

    No row and no ledger entry is written. Sequences advance, as they do in any transaction that is rolled back.
    Functions of the service (`Custom`) are called: their effects outside of this database stay. The locks of the
    drain are held for `seconds` at most, even if this process freezes in the meantime.

    Args:
        drain: which kind is written how.
        engine: of the database that the drain would write to.
        bodies: the texts of the messages.
        watch: sees each transaction, of which there are several if the first fails.
        seconds: how long it may take, with connecting.
        strategy: the first strategy.
        writes: what is written instead of `drain.bound()`.

    Returns:
        The batch. Each item that would not be written has its fault.

    Raises:
        Fault: there is no result: the database is unwell, or a function of the service ended the transaction, for
            example.
        TypeError: no kind is bound.
    """
    batch = batch_of(bodies, seconds)

    @contextmanager
    def begin(limit: float) -> Iterator[Connection]:
        with _watched(engine).rolled_back(limit) as connection:
            connection.execute(_NO_COMMIT)
            connection.execute(_IDLE_LIMIT, {"limit": str(int(limit * 1000))})
            with watch(connection, batch):
                yield connection

    write_batch(
        begin,
        batch,
        decoder_of(drain, batch),
        drain.bound() if writes is None else writes,
        strategy=strategy,
        dry=True,
    )
    return batch


def batch_of(bodies: Sequence[str], seconds: float) -> Batch:
    """Make a batch of envelopes that are from no queue, with an end after some seconds."""
    items = [Item({"messageId": "", "receiptHandle": "", "body": body}) for body in bodies]
    return Batch(items, time.monotonic() + seconds, "dry-run")


def decoder_of(drain: Drain, batch: Batch) -> StreamDecoder:
    """Return the decoder of a batch. Large intents get a fault: the bucket with their payloads is not read."""
    fetch_keys(batch, drain.contract)
    return StreamDecoder(batch, drain.contract, skip_payloads(batch, drain.contract))


def check_deferred(connection: Connection) -> None:
    """Check the deferred constraints and run the deferred triggers, as COMMIT would.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: a row violates one of them.
    """
    connection.execute(CHECK_NOW)


@lru_cache(maxsize=1)
def _watched(engine: Engine) -> Watchdog:
    """Return the watchdog of an engine, one for many rehearsals: a watchdog listens to its engine from then on."""
    return Watchdog(engine)
