"""A scan of the dead-letter queue, which changes nothing."""

from collections.abc import Callable, Generator

from penstock.deadletters.message import DeadLetterMessage
from penstock.deadletters.scan.leases import PAGE_LIMIT, Leases, scan_seconds
from penstock.deadletters.scan.packs import apart
from penstock.deadletters.selector import Selector
from penstock.queue import Queue


def scan(
    queue: Queue,
    selector: Selector | None = None,
    *,
    limit: int | None = None,
    on_page: Callable[[int], None] = lambda _: None,
    on_skip: Callable[[DeadLetterMessage], None] = lambda _: None,
) -> Generator[DeadLetterMessage]:
    """Yield the selected messages of the dead-letter queue, each once, and give all leases back at the end.

    The intents of a pack are yielded as messages of their own.

    Every message counts one receive more, selected or not. All messages are leased, and so hidden from others,
    until the generator is finished or closed. Memory holds one page at a time, or two of small messages.

    Args:
        queue: the dead-letter queue.
        selector: which messages to yield; by default all.
        limit: the maximum number of messages to yield.
        on_page: called for each page with its number of messages, selected or not.
        on_skip: called for each message that was read and is not selected.

    Raises:
        penstock.queue.QueueError: the queue cannot be read.
    """
    selector = selector or Selector.all()
    left = queue.depth().total if limit is None else limit
    to_scan = left if selector.is_everything else queue.depth().total
    page_limit = min(PAGE_LIMIT, max(left, 1)) if selector.is_everything else PAGE_LIMIT
    with Leases(queue, scan_seconds(to_scan), page_limit=page_limit, ahead=limit is None) as leases:
        for page in leases.pages() if limit != 0 else ():
            on_page(len(page))
            for found in (DeadLetterMessage.of(one) for message in page for one in apart(message)):
                if not selector.matches(found):
                    on_skip(found)
                    continue
                yield found
                left -= 1
                if limit is not None and left == 0:
                    return
