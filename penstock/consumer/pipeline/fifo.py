"""FIFO queues: within a message group nothing lands while something before it goes back to the queue."""

from collections.abc import Collection, Mapping

from penstock.consumer.batch import Batch, Item
from penstock.consumer.faults.tree import Cause, DataFault, EnvironmentFault, Fault

_BEHIND = EnvironmentFault(Cause("BehindInGroup"))


class OutOfOrder(Exception):
    """Some items have landed, in a transaction that is to be rolled back, ahead of what goes back to the queue."""

    def __init__(self, items: Collection[Item]) -> None:
        super().__init__(f"{len(items)} ahead of their group")
        self.items = items

    def hold_back(self) -> None:
        """Keep them out of the next try: they go back to the queue themselves."""
        for item in self.items:
            item.fault = _BEHIND


def keep_order(batch: Batch, faults: Mapping[Item, Fault], waiting: Collection[Item]) -> None:
    """See that of each group nothing has landed behind an item that goes back to the queue.

    What is dead-lettered is out of the way: its group goes on without it.

    Raises:
        OutOfOrder: something has.
    """
    if not faults:
        return
    blocked: set[str] = set()
    ahead = []
    for item in batch.items:
        group = item.ordered_group
        if group is None:
            continue
        if _goes_back(item, faults, waiting):
            blocked.add(group)
        elif item not in faults and group in blocked:
            ahead.append(item)
    if ahead:
        raise OutOfOrder(ahead)


def _goes_back(item: Item, faults: Mapping[Item, Fault], waiting: Collection[Item]) -> bool:
    fault = faults.get(item)
    if fault is not None:
        return not isinstance(fault, DataFault) or item in waiting
    return item.twin in faults and item.differs_from_twin
