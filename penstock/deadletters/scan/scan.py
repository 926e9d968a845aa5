"""Looking at dead letters without touching them."""

from collections.abc import Callable, Generator

from penstock.deadletters.message import DeadLetterMessage
from penstock.deadletters.scan.leases import PAGE_LIMIT, Leases, scan_seconds
from penstock.deadletters.selector import Selector
from penstock.queue import Queue


def look(
    queue: Queue,
    selector: Selector | None = None,
    *,
    limit: int | None = None,
    on_page: Callable[[int], None] = lambda _: None,
) -> Generator[DeadLetterMessage]:
    """Look at messages of the dead-letter queue, each once, and give them back at the end.

    Every message looked at counts one receive more, selected or not. Until the generator is finished or closed
    they are leased, so that nobody else sees them. One page at a time is in memory.

    Args:
        queue: the dead-letter queue.
        selector: which are meant; all of them if not given.
        limit: how many are yielded at most.
        on_page: called for each page with how many messages it has.

    Raises:
        penstock.queue.QueueError: the queue cannot be read.
    """
    selector = selector or Selector.all()
    left = queue.depth().total if limit is None else limit
    looked_at = left if selector.is_everything else queue.depth().total
    page_limit = min(PAGE_LIMIT, max(left, 1)) if selector.is_everything else PAGE_LIMIT
    with Leases(queue, scan_seconds(looked_at), page_limit=page_limit) as leases:
        for page in leases.pages() if limit != 0 else ():
            on_page(len(page))
            for found in filter(selector.takes, map(DeadLetterMessage.of, page)):
                yield found
                left -= 1
                if limit is not None and left == 0:
                    return
