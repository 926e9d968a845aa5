"""The dry run: what the drain would do with some envelopes now. It drains them, and rolls back."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ARRAY, Connection, Engine, Uuid, bindparam, func, select

from penstock.consumer.batch import Batch, Item
from penstock.consumer.drain import Drain
from penstock.consumer.faults.tree import EnvironmentFault, Fault
from penstock.consumer.pipeline.transaction import WriteStrategy
from penstock.consumer.rehearsal import check_deferred, rehearse
from penstock.database.ledger import ledger

_OUTCOMES = select(ledger.c.id, ledger.c.outcome).where(
    ledger.c.id == func.any(bindparam("ids", type_=ARRAY(Uuid)))
)


class DryRunOutcome(StrEnum):
    """What the drain would do with an envelope."""

    APPLIED = "applied"
    STALE = "stale"
    """Something newer is in the table."""
    DUPLICATE = "duplicate"
    """It has taken effect already, or another of these envelopes with its id would."""
    EXPIRED = "expired"
    """It would be taken up after its time, and not be written."""
    DEAD = "dead"
    """It would be dead-lettered."""
    WAITS = "waits"
    """It would go back to the queue and be tried again, because something that it needs is missing."""
    UNKNOWN = "unknown"
    """There was no time to try it; or it is a large intent, whose bucket a dry run does not read."""


@dataclass(frozen=True, slots=True)
class DryRunResult:
    """What the drain would do with one envelope.

    Attributes:
        outcome: what it would do.
        id: the intent's id; None if it cannot be decoded.
        kind: the intent's kind, by its present name; None if it cannot be decoded.
        fault: why it would not be written. None if it waits only because another of these envelopes with its id is
            at fault.
    """

    outcome: DryRunOutcome
    id: UUID | None
    kind: str | None
    fault: Fault | None


def dry_run(drain: Drain, engine: Engine, bodies: Sequence[str], *, seconds: float) -> list[DryRunResult]:
    """Find out what the drain would do with these envelopes now, as one batch, on its isolating path.

    No row and no ledger entry is written. Sequences advance, as they do in any transaction that is rolled back.
    Functions of the service (`Custom`) are called: their effects outside of this database stay. An intent that is
    dead in the ledger may be claimed again, as in a replay.

    A dry run holds the locks that the drain would hold for the same batch. It holds them for `seconds` at most,
    even if this process freezes in the meantime: keep both the batch and the time small.

    As in the drain, the deployment is at fault if ten or more envelopes fail for one cause and none is written:
    they wait.

    Args:
        drain: which kind is written how.
        engine: of the database that the drain would write to.
        bodies: the texts of the messages.
        seconds: how long it may take, with connecting.

    Returns:
        The results, in the order of the bodies.

    Raises:
        Fault: there is no result: the database is unwell, or a function of the service ended the transaction, for
            example.
        TypeError: no kind is bound.
    """
    outcomes: dict[UUID, str] = {}

    @contextmanager
    def watch(connection: Connection, batch: Batch) -> Iterator[None]:
        yield
        check_deferred(connection)
        outcomes.update(_outcomes(connection, batch))

    batch = rehearse(drain, engine, bodies, watch, seconds=seconds, strategy=WriteStrategy.ISOLATE)
    return [_result(item, outcomes) for item in batch.items]


def _outcomes(connection: Connection, batch: Batch) -> Mapping[UUID, str]:
    """Read what the ledger would contain after a commit."""
    ids = [item.envelope.id for item in batch.items if item.envelope]
    return {row.id: row.outcome for row in connection.execute(_OUTCOMES, {"ids": ids})}


def _result(item: Item, outcomes: Mapping[UUID, str]) -> DryRunResult:
    id_, kind = (item.envelope.id, item.envelope.type) if item.envelope else (None, None)
    decisive = _decisive_item(item)
    return DryRunResult(_outcome(decisive, outcomes), id_, kind, decisive.fault)


def _decisive_item(item: Item) -> Item:
    """Return the first occurrence of the item if it is at fault and has the same payload, else the item itself."""
    first = item.first_occurrence
    repeats_fault = first is not None and first.fault is not None and item.fault is None and not item.duplicate
    return first if first is not None and repeats_fault and not item.differs_from_first else item


def _outcome(item: Item, outcomes: Mapping[UUID, str]) -> DryRunOutcome:
    if isinstance(item.fault, EnvironmentFault):
        return DryRunOutcome.UNKNOWN
    if item.is_dead:
        return DryRunOutcome.DEAD
    if item.should_retry:
        return DryRunOutcome.WAITS
    if item.duplicate or item.first_occurrence:
        return DryRunOutcome.DUPLICATE
    return DryRunOutcome(outcomes[item.require_envelope().id])
