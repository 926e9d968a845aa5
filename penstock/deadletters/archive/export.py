"""Export of dead letters to a file, and their import from one."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Final, TypeVar
from uuid import uuid4

from penstock.deadletters.archive.file import Archive, ArchiveError
from penstock.deadletters.message import DeadLetterMessage
from penstock.deadletters.scan.leases import PAGE_LIMIT
from penstock.deadletters.scan.scan import scan
from penstock.deadletters.selector import Selector
from penstock.queue import Outgoing, Queue, QueueError

T = TypeVar("T")

NO_MESSAGE: Final = "NoMessage"
_MAX_REFUSED: Final = 30


@dataclass(frozen=True, slots=True)
class Exported:
    """The result of an export.

    Attributes:
        seen: how many dead letters were scanned, selected or not.
        written: how many are in the file.
        unparsed: how many of these cannot be parsed.
        missing: the ids in the selector that were not found.
    """

    seen: int
    written: int
    unparsed: int
    missing: frozenset[str]


@dataclass(frozen=True, slots=True)
class ImportFailure:
    """One line of a file that could not be imported.

    Attributes:
        line: its number.
        code: why: SQS's error code, or `NoMessage` if the line holds no message.
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
    on_skip: Callable[[DeadLetterMessage], None] = lambda _: None,
) -> Exported:
    """Write the selected dead letters to a file. They stay on the dead-letter queue.

    Args:
        dead: the dead-letter queue.
        archive: the open file.
        selector: which dead letters to export.
        limit: the maximum number to write.
        on_page: called for each page with its number of messages, selected or not.
        on_skip: called for each message that was read and is not selected.

    Raises:
        ArchiveError: the file cannot be written.
        penstock.queue.QueueError: the queue cannot be read.
    """
    seen = count = unparsed = 0
    found_ids: set[str] = set()

    def count_page(messages: int) -> None:
        nonlocal seen
        seen += messages
        on_page(messages)

    with closing(scan(dead, selector, limit=limit, on_page=count_page, on_skip=on_skip)) as found:
        for page in _in_pages(found):
            archive.write(one.message for one in page)
            found_ids.update(*map(selector.matching_ids, page))
            count += len(page)
            unparsed += sum(not one.is_parsed for one in page)
    return Exported(seen, count, unparsed, selector.ids - found_ids if count != limit else frozenset())


def import_letters(
    dead: Queue,
    lines: Iterable[tuple[int, Outgoing | None]],
    *,
    on_failure: Callable[[ImportFailure], None],
    on_line: Callable[[int], None] = lambda _: None,
) -> int:
    """Send the messages of a file to the dead-letter queue, unchanged, but with new message ids and new ages.

    Args:
        dead: the dead-letter queue.
        lines: the lines that `read_archive` yields.
        on_failure: called for each line whose message was not sent.
        on_line: called after each page with the number of its last line.

    Returns:
        How many messages SQS has acknowledged.

    Raises:
        ArchiveError: the rest of the file cannot be read; the messages before that have been sent.
        penstock.queue.QueueError: the queue refused a whole page of thirty messages or more.
    """
    count = 0
    for page in _in_pages(lines):
        messages = [(number, message) for number, message in page if message is not None]
        refused = dead.send([_with_new_deduplication_id(m) if dead.fifo else m for _, m in messages])
        failed = [ImportFailure(number, NO_MESSAGE) for number, message in page if message is None]
        failed += [ImportFailure(messages[index][0], refusal.code) for index, refusal in refused.items()]
        for one in sorted(failed, key=lambda one: one.line):
            on_failure(one)
        count += len(messages) - len(refused)
        if len(refused) == len(messages) >= _MAX_REFUSED:
            raise QueueError(f"the queue refuses everything: {refused[len(messages) - 1].code}")
        on_line(page[-1][0])
    return count


def _with_new_deduplication_id(message: Outgoing) -> Outgoing:
    """Give the message a new id: a FIFO queue drops a duplicate of the last five minutes."""
    return replace(message, deduplication_id=str(uuid4()))


def _in_pages(items: Iterable[T]) -> Iterator[list[T]]:
    """Yield pages of items; if the file becomes unreadable, the items before that are a last page."""
    page: list[T] = []
    try:
        for one in items:
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
