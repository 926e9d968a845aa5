"""Nothing is dropped by the queue: what is still undecided is dead-lettered before its retention ends.

An item that goes back is delivered again after a visibility timeout of a third of the margin at most. So an item
that goes back outside of the margin comes back at least two thirds of it, a day, before the end, and is then
dead-lettered. That holds for every fault, that of the database included.

While the event source mapping is disabled, nothing is delivered: see `penstock.consumer.breaker.sweep`.
"""

from collections.abc import Mapping

from penstock.consumer.batch import Batch, Item
from penstock.consumer.faults.tree import DataFault, EnvironmentFault, Fault, NotYetFault, UndecidedFault
from penstock.consumer.retention import Retention


def set_aside_ending(faults: Mapping[Item, Fault], retention: Retention) -> dict[Item, Fault]:
    """Return the faults, in which an item that would go back too late has a fault that says so."""
    return {
        item: UndecidedFault(fault) if _may_pass(fault) and retention.is_ending(item) else fault
        for item, fault in faults.items()
    }


def take_back_ending(batch: Batch, retention: Retention, raised: Fault | None) -> list[Item]:
    """Take those out of the items that go back whose message is too old for it; give each a fault that is dead."""
    ending = [item for item in batch.failed.values() if retention.is_ending(item)]
    for item in ending:
        del batch.failed[item.message_id]
        if not item.is_dead:
            first = item.first_occurrence
            last = item.fault or raised or (first.fault if first else None) or EnvironmentFault("unknown")
            item.fault, item.retry_later = UndecidedFault(last), False
    return ending


def _may_pass(fault: Fault) -> bool:
    return not isinstance(fault, DataFault) or isinstance(fault, NotYetFault)
