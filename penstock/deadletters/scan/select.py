"""The selection of dead letters from a page."""

from collections.abc import Callable, Iterable

from penstock.deadletters.message import DeadLetterMessage
from penstock.deadletters.selector import Selector
from penstock.queue import Received


def select(
    page: Iterable[Received], selector: Selector, on_skip: Callable[[DeadLetterMessage], None]
) -> list[DeadLetterMessage]:
    """Return the messages of a page that are selected, and call `on_skip` with each of the others."""
    selected: list[DeadLetterMessage] = []
    for found in map(DeadLetterMessage.of, page):
        if selector.matches(found):
            selected.append(found)
        else:
            on_skip(found)
    return selected
