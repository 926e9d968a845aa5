"""Deleting dead letters for good, each only once it is in the backup."""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from penstock.deadletters.archive.file import Archive
from penstock.deadletters.message import DeadLetterMessage
from penstock.deadletters.scan.leases import PAGE_LIMIT, Leases, scan_seconds
from penstock.deadletters.selector import Selector
from penstock.queue import Queue, Received


@dataclass(frozen=True, slots=True)
class Purged:
    """What a purge did.

    Attributes:
        seen: how many dead letters were looked at, selected or not.
        deleted: how many were deleted.
        kept: how many were meant and could not be deleted, by SQS's code or `LeaseLost`.
        missing: the ids asked for that were not found.
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
    clock: Callable[[], float] = time.time,
) -> Purged:
    """Delete the selected dead letters for good.

    Args:
        dead: the dead-letter queue.
        selector: which are meant.
        archive: the backup, opened; None for none.
        limit: how many are deleted at most.
        on_deleted: called with those that are gone, page by page.
        on_page: called for each page with how many messages it has.
        clock: the time in seconds, to notice leases that have run out; see `replay`.

    Raises:
        ArchiveError: the backup cannot be written; what is not in it has not been deleted.
        penstock.queue.QueueError: the queue cannot be read.
    """
    run = _PurgeRun(selector, archive, limit, on_deleted)
    page_limit = PAGE_LIMIT if limit is None or not selector.is_everything else min(PAGE_LIMIT, max(limit, 1))
    with Leases(dead, scan_seconds(dead.depth().total), page_limit=page_limit, clock=clock) as leases:
        for page in leases.pages() if limit != 0 else ():
            on_page(len(page))
            run.take(page, leases)
            if run.left == 0:
                break
    return run.summary()


class _PurgeRun:
    """A purge under way."""

    def __init__(
        self,
        selector: Selector,
        archive: Archive | None,
        left: int | None,
        on_deleted: Callable[[list[DeadLetterMessage]], None],
    ) -> None:
        self.left = left
        self._selector = selector
        self._archive = archive
        self._on_deleted = on_deleted
        self._seen = 0
        self._deleted = 0
        self._kept: Counter[str] = Counter()
        self._named: set[str] = set()

    def take(self, page: list[Received], leases: Leases) -> None:
        """Delete what is selected of a page."""
        self._seen += len(page)
        meant = list(filter(self._selector.takes, map(DeadLetterMessage.of, page)))[: self.left]
        self._named.update(*map(self._selector.names, meant))
        self.left = None if self.left is None else self.left - len(meant)
        if not meant:
            return
        if self._archive:
            self._archive.write(one.message for one in meant)
        refused = leases.delete([one.message for one in meant])
        self._kept.update(refused.values())
        gone = [one for index, one in enumerate(meant) if index not in refused]
        self._deleted += len(gone)
        self._on_deleted(gone)

    def summary(self) -> Purged:
        """Sum up."""
        missing = self._selector.ids - self._named if self.left != 0 else frozenset[str]()
        return Purged(self._seen, self._deleted, dict(self._kept), missing)
