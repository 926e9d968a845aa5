"""FIFO queues: within a message group, nothing is written while an earlier message goes back to the queue."""

from collections.abc import Collection, Mapping

from penstock.consumer.batch import Batch, Item
from penstock.consumer.faults.tree import Cause, DataFault, EnvironmentFault, Fault

_BEHIND = EnvironmentFault(Cause("BehindInGroup"))


class OutOfOrder(Exception):
    """The transaction wrote items ahead of others of their group that go back; it must be rolled back."""

    def __init__(self, items: Collection[Item]) -> None:
        super().__init__(f"{len(items)} ahead of their group")
        self.items = items

    def hold_back(self) -> None:
        """Exclude the items from the next attempt: they go back to the queue too."""
        for item in self.items:
            item.fault = _BEHIND


def check_group_order(batch: Batch, faults: Mapping[Item, Fault], retry_later: Collection[Item]) -> None:
    """Check that in no group an item was written behind one that goes back to the queue.

    A dead letter does not block its group.

    Args:
        batch: the batch.
        faults: the faults of the items that were not written.
        retry_later: the items with a fault of their own that are tried again.

    Raises:
        OutOfOrder: an item was.
    """
    if not faults or not batch.is_ordered:
        return
    blocked: set[str] = set()
    ahead = []
    for item in batch.items:
        group = item.ordered_group
        if group is None:
            continue
        if _goes_back(item, faults, retry_later):
            blocked.add(group)
        elif item not in faults and group in blocked:
            ahead.append(item)
    if ahead:
        raise OutOfOrder(ahead)


def _goes_back(item: Item, faults: Mapping[Item, Fault], retry_later: Collection[Item]) -> bool:
    fault = faults.get(item)
    if fault is not None:
        return not isinstance(fault, DataFault) or item in retry_later
    return item.first_occurrence in faults and item.differs_from_first
