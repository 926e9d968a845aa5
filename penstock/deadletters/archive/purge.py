"""The purge: dead letters are deleted for good, each only after it is in the backup."""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from penstock.deadletters.archive.file import Archive
from penstock.deadletters.message import DeadLetterMessage
from penstock.deadletters.scan.leases import PAGE_LIMIT, Leases, scan_seconds
from penstock.deadletters.scan.packs import take_apart
from penstock.deadletters.scan.select import select
from penstock.deadletters.selector import Selector
from penstock.queue import Queue, Received


@dataclass(frozen=True, slots=True)
class Purged:
    """The result of a purge.

    Attributes:
        seen: how many dead letters were scanned, selected or not.
        deleted: how many were deleted.
        kept: how many were selected but could not be deleted, by SQS's error code or `LeaseLost`.
        missing: the ids in the selector that were not found.
    """

    seen: int
    deleted: int
    kept: Mapping[str, int]
    missing: frozenset[str]


def purge(
    dead: Queue,
    selector: Selector,
    archive: Archive | None,
    *,
    limit: int | None = None,
    on_deleted: Callable[[list[DeadLetterMessage]], None] = lambda _: None,
    on_page: Callable[[int], None] = lambda _: None,
    on_skip: Callable[[DeadLetterMessage], None] = lambda _: None,
    clock: Callable[[], float] = time.time,
) -> Purged:
    """Delete the selected dead letters for good.

    Args:
        dead: the dead-letter queue.
        selector: which dead letters to delete.
        archive: the open backup; None for no backup.
        limit: the maximum number to delete.
        on_deleted: called for each page with its deleted dead letters.
        on_page: called for each page with its number of messages, selected or not.
        on_skip: called for each message that was read and is not selected.
        clock: returns the time in seconds, to detect expired leases; see `replay`.

    Raises:
        ArchiveError: the backup cannot be written; nothing has been deleted that is not in it.
        penstock.queue.QueueError: the queue cannot be read.
    """
    run = _PurgeRun(selector, archive, limit, on_deleted, on_skip)
    page_limit = PAGE_LIMIT if limit is None or not selector.is_everything else min(PAGE_LIMIT, max(limit, 1))
    with Leases(dead, scan_seconds(dead.depth().total), page_limit=page_limit, clock=clock) as leases:
        for leased in leases.pages() if limit != 0 else ():
            page = take_apart(leased, dead, leases)
            on_page(len(page))
            run.purge_page(page, leases)
            if run.left == 0:
                break
    return run.summary()


class _PurgeRun:
    """A purge in progress."""

    def __init__(
        self,
        selector: Selector,
        archive: Archive | None,
        left: int | None,
        on_deleted: Callable[[list[DeadLetterMessage]], None],
        on_skip: Callable[[DeadLetterMessage], None],
    ) -> None:
        self.left = left
        self._selector = selector
        self._archive = archive
        self._on_deleted = on_deleted
        self._on_skip = on_skip
        self._seen = 0
        self._deleted = 0
        self._kept: Counter[str] = Counter()
        self._found_ids: set[str] = set()

    def purge_page(self, page: list[Received], leases: Leases) -> None:
        """Select, back up, delete and report the dead letters of a page."""
        self._seen += len(page)
        selected = select(page, self._selector, self._on_skip)[: self.left]
        self._found_ids.update(*map(self._selector.matching_ids, selected))
        self.left = None if self.left is None else self.left - len(selected)
        if not selected:
            return
        if self._archive:
            self._archive.write(one.message for one in selected)
        refused = leases.delete([one.message for one in selected])
        self._kept.update(refused.values())
        deleted = [one for index, one in enumerate(selected) if index not in refused]
        self._deleted += len(deleted)
        self._on_deleted(deleted)

    def summary(self) -> Purged:
        """Return the result."""
        missing = self._selector.ids - self._found_ids if self.left != 0 else frozenset[str]()
        return Purged(self._seen, self._deleted, dict(self._kept), missing)
