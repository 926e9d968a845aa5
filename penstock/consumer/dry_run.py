"""The trial: what the drain would make of some envelopes now, found out by having it do so and undoing it.

The transaction is rolled back, and while it lasts Postgres itself would refuse to commit it, whatever a function
of the service's does.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from uuid import UUID

from sqlalchemy import ARRAY, Connection, Engine, Uuid, bindparam, func, select, text

from penstock.consumer.batch import Batch, Item
from penstock.consumer.drain import Drain
from penstock.consumer.faults.tree import EnvironmentFault, Fault
from penstock.consumer.pipeline.decode import Decoding
from penstock.consumer.pipeline.payloads import leave
from penstock.consumer.pipeline.transaction import CHECK_NOW, Way, land
from penstock.database.ledger import ledger
from penstock.database.watchdog import Watchdog

# At COMMIT the rows of a cursor that outlives its transaction are fetched, and these cannot be (PostgreSQL
# documentation, "DECLARE"): there is no such setting.
_NO_COMMIT = text(
    "DECLARE penstock_trial NO SCROLL CURSOR WITH HOLD FOR SELECT current_setting('penstock.trials_never_commit')"
)
_NO_IDLING = text("SELECT set_config('idle_in_transaction_session_timeout', :limit, true)")
_OUTCOMES = select(ledger.c.id, ledger.c.outcome).where(
    ledger.c.id == func.any(bindparam("ids", type_=ARRAY(Uuid)))
)


class DryRunOutcome(StrEnum):
    """What would become of an envelope."""

    APPLIED = "applied"
    STALE = "stale"
    """Something newer is there."""
    DUPLICATE = "duplicate"
    """It has taken effect already, or another of these with its id would."""
    DEAD = "dead"
    """It would be a dead letter."""
    WAITS = "waits"
    """It would go back to the queue, to be tried again: what it needs is not there yet."""
    UNKNOWN = "unknown"
    """There was no time to try it, or it is a large intent, whose envelope rests in a bucket that is not read."""


@dataclass(frozen=True, slots=True)
class DryRunResult:
    """What would become of one envelope.

    Attributes:
        would: what.
        id: the intent's id; None where it cannot be read.
        kind: the intent's kind, by its present name; None where it cannot be read.
        fault: why it would not land. None where it waits only because another of these with its id is at fault.
    """

    would: DryRunOutcome
    id: UUID | None
    kind: str | None
    fault: Fault | None


def dry_run(drain: Drain, engine: Engine, bodies: Sequence[str], *, seconds: float) -> list[DryRunResult]:
    """Find out whether these envelopes would land now, as one batch, by the drain's own careful way.

    Nothing is written and the ledger knows nothing of it; only sequences move on, as they do in any transaction
    that is rolled back. Functions of the service's (`Custom`) are called: what they do outside of this database is
    done. An intent that is dead in the ledger may be claimed anew, as when it is replayed.

    While it runs, a trial holds the locks that the drain would hold for the same batch, for `seconds` at most,
    also where this process freezes meanwhile: keep both the batch and the time small.

    As in the drain, ten or more that all fail for one cause, with none that lands beside them, are taken for a
    fault of the deployment: they wait.

    Args:
        drain: which kind lands where.
        engine: of the database that it would write.
        bodies: the texts of the messages.
        seconds: how long it may take, connecting included.

    Returns:
        The verdicts, in the order of the bodies.

    Raises:
        Fault: nothing could be found out: the database is unwell, a function of the service's has ended the
            transaction, or the like.
        TypeError: no kind is written.
    """
    batch = Batch(list(map(_item, bodies)), time.monotonic() + seconds, "trial")
    outcomes: dict[UUID, str] = {}

    @contextmanager
    def begin(limit: float) -> Iterator[Connection]:
        with _watched(engine).rolled_back(limit) as connection:
            connection.execute(_NO_COMMIT)
            connection.execute(_NO_IDLING, {"limit": str(int(limit * 1000))})
            yield connection
            connection.execute(CHECK_NOW)
            outcomes.update(_outcomes(connection, batch))

    decoding = Decoding(batch, drain.contract, leave(batch, drain.contract))
    land(begin, batch, decoding, drain.bound(), way=Way.CAREFUL)
    return [_verdict(item, outcomes) for item in batch.items]


@lru_cache(maxsize=1)
def _watched(engine: Engine) -> Watchdog:
    """Return the watchdog of an engine: one for many trials, as it listens to the engine from then on."""
    return Watchdog(engine)


def _item(body: str) -> Item:
    return Item({"messageId": "", "receiptHandle": "", "body": body})


def _outcomes(connection: Connection, batch: Batch) -> Mapping[UUID, str]:
    """Read what the ledger would say if this were committed."""
    ids = [item.envelope.id for item in batch.items if item.envelope]
    return {row.id: row.outcome for row in connection.execute(_OUTCOMES, {"ids": ids})}


def _verdict(item: Item, outcomes: Mapping[UUID, str]) -> DryRunResult:
    id_, kind = (item.envelope.id, item.envelope.type) if item.envelope else (None, None)
    meant = _same_as(item)
    return DryRunResult(_would(meant, outcomes), id_, kind, meant.fault)


def _same_as(item: Item) -> Item:
    """Return the item that this one only repeats, where that one is at fault: it shares its fate."""
    twin = item.twin
    repeats = twin is not None and twin.fault is not None and item.fault is None and not item.duplicate
    return twin if twin is not None and repeats and not item.differs_from_twin else item


def _would(item: Item, outcomes: Mapping[UUID, str]) -> DryRunOutcome:
    if isinstance(item.fault, EnvironmentFault):
        return DryRunOutcome.UNKNOWN
    if item.hopeless:
        return DryRunOutcome.DEAD
    if item.returns:
        return DryRunOutcome.WAITS
    if item.duplicate or item.twin:
        return DryRunOutcome.DUPLICATE
    return DryRunOutcome(outcomes[item.sound.id])
