"""Looking at dead letters without touching them."""

from collections.abc import Generator

from penstock.deadletters.found import Found
from penstock.deadletters.leases import Leases, scan_seconds
from penstock.queue import Queue


def look(queue: Queue, limit: int) -> Generator[Found]:
    """Look at up to `limit` messages of the dead-letter queue, each once, and give them back at the end.

    Every message seen counts one receive more. Until the generator is finished or closed they are leased, so
    that nobody else sees them. One page at a time is in memory.

    Raises:
        penstock.queue.QueueError: the queue cannot be read.
    """
    seconds = scan_seconds(min(queue.depth().total, limit))
    with Leases(queue, seconds) as leases:
        left = limit
        for page in leases.pages() if limit > 0 else ():
            for message in page[:left]:
                yield Found.of(message)
            left -= len(page)
            if left <= 0:
                return
