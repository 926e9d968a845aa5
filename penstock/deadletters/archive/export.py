"""Dead letters out to a file, and back from one."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Final, TypeVar
from uuid import uuid4

from penstock.deadletters.archive.file import Archive, ArchiveError
from penstock.deadletters.scan.leases import PAGE_LIMIT
from penstock.deadletters.scan.scan import look
from penstock.deadletters.selector import Selector
from penstock.queue import Outgoing, Queue, QueueError

T = TypeVar("T")

NO_MESSAGE: Final = "NoMessage"
_HOPELESS: Final = 30


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export did.

    Attributes:
        seen: how many dead letters were looked at, selected or not.
        written: how many are in the file.
        missing: the ids asked for that were not found.
    """

    seen: int
    written: int
    missing: frozenset[str]


@dataclass(frozen=True, slots=True)
class ImportFailure:
    """One line of a file that could not be put back.

    Attributes:
        line: its number.
        code: why: SQS's code, or `NoMessage` where the line holds none.
    """

    line: int
    code: str


def export(
    dead: Queue,
    archive: Archive,
    selector: Selector,
    *,
    limit: int | None = None,
    on_page: Callable[[int], None] = lambda _: None,
) -> Exported:
    """Write the selected dead letters to a file. They stay dead letters.

    Args:
        dead: the dead-letter queue.
        archive: the file, opened.
        selector: which are meant.
        limit: how many are written at most.
        on_page: called for each page with how many messages it has.

    Raises:
        ArchiveError: the file cannot be written.
        penstock.queue.QueueError: the queue cannot be read.
    """
    seen = count = 0
    named: set[str] = set()

    def advance(messages: int) -> None:
        nonlocal seen
        seen += messages
        on_page(messages)

    with closing(look(dead, selector, limit=limit, on_page=advance)) as found:
        for some in _in_pages(found):
            archive.write(one.message for one in some)
            named.update(*map(selector.names, some))
            count += len(some)
    return Exported(seen, count, selector.ids - named if count != limit else frozenset())


def import_letters(
    dead: Queue,
    lines: Iterable[tuple[int, Outgoing | None]],
    *,
    on_failure: Callable[[ImportFailure], None],
    on_line: Callable[[int], None] = lambda _: None,
) -> int:
    """Put the messages of a file on the dead-letter queue, each as it was, under a new message id and age.

    Args:
        dead: the dead-letter queue.
        lines: as `read_archive` gives them.
        on_failure: called for each line whose message is not on the queue now.
        on_line: called with the number of the last line that is done with.

    Returns:
        How many SQS has acknowledged.

    Raises:
        ArchiveError: the file cannot be read any further; what could be read is on the queue.
        penstock.queue.QueueError: the queue takes nothing: it has refused thirty lines or more in a row.
    """
    count = 0
    for some in _in_pages(lines):
        sound = [(number, message) for number, message in some if message is not None]
        fresh = [_fresh(message, fifo=dead.fifo) for _, message in sound]
        refused = dead.send(fresh)
        failed = [ImportFailure(number, NO_MESSAGE) for number, message in some if message is None]
        failed += [ImportFailure(sound[index][0], refusal.code) for index, refusal in refused.items()]
        for one in sorted(failed, key=lambda one: one.line):
            on_failure(one)
        count += len(sound) - len(refused)
        if len(refused) == len(sound) >= _HOPELESS:
            raise QueueError(f"the queue refuses everything: {refused[len(sound) - 1].code}")
        on_line(some[-1][0])
    return count


def _fresh(message: Outgoing, *, fifo: bool) -> Outgoing:
    """Give it what a FIFO queue wants of each: it would take it for one of the last minutes."""
    return replace(message, deduplication_id=str(uuid4())) if fifo else message


def _in_pages(things: Iterable[T]) -> Iterator[list[T]]:
    """Cut into pages; what comes before a fault of the file is a page, too."""
    page: list[T] = []
    try:
        for one in things:
            page.append(one)
            if len(page) == PAGE_LIMIT:
                yield page
                page = []
    except ArchiveError:
        if page:
            yield page
        raise
    if page:
        yield page
